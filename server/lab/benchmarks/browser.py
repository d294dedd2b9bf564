"""Headless Chromium on the demo page, with a WAV file as its microphone.

Runs on: the benchmark's thread.
"""

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.lab.benchmarks import chromium
from streaming.units import TICK_RATE
from styletalk_core.errors import InputError

BURST_PERIOD = 1.0133  # seconds; not a multiple of the frame duration
BURST_SECONDS = 0.45
WATCH_CORNER = """
  const wall = (moment) => performance.timeOrigin + moment;
  const corner = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const video = document.getElementById("avatar-video");
  const frames = [];
  let running = true;
  const onFrame = (now, { expectedDisplayTime, rtpTimestamp }) => {
    corner.drawImage(video, 8, 8, 16, 16, 0, 0, 1, 1);
    frames.push([wall(expectedDisplayTime), rtpTimestamp, Math.min(...corner.getImageData(0, 0, 1, 1).data) > 200]);
    if (running) video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
"""
"""Page script fragment: while ``running``, it appends to ``frames`` the display time (ms since the epoch), the RTP
time and whether the corner is white, for every displayed frame."""


def bursts(seconds: float) -> NDArray[np.int16]:
    """Vowel-like bursts with silence in between, (n,) int16 48 kHz."""
    time = np.arange(round(BURST_SECONDS * TICK_RATE)) / TICK_RATE
    formants = ((700, 110), (1_150, 140), (2_500, 250))
    voice = sum(
        np.cos(2 * np.pi * 120 * k * time) * sum(1 / (1 + ((120 * k - f) / width) ** 2) for f, width in formants)
        for k in range(1, 30)
    )
    voice *= np.minimum(1, np.minimum(time / 0.002, (BURST_SECONDS - time) / 0.05))
    period = np.zeros(round(BURST_PERIOD * TICK_RATE), dtype=np.int16)
    period[-len(voice) :] = (voice / np.abs(voice).max() * 12_000).astype(np.int16)
    return np.tile(period, round(seconds / BURST_PERIOD))


def vowel(seconds: float) -> NDArray[np.int16]:
    """Continuous vowel-like sound, (n,) int16 48 kHz."""
    burst = bursts(BURST_PERIOD)[-round(0.4 * TICK_RATE) : -round(0.1 * TICK_RATE)]  # whole periods of 120 Hz
    return np.tile(burst, round(seconds * TICK_RATE / len(burst)))


@contextmanager
def speaking_page(address: str, samples: NDArray[np.int16], folder: Path) -> Iterator[Any]:
    """Opens the page in a browser whose microphone loops ``samples``, and waits until the call is connected.

    Raises:
        InputError: Chromium or Playwright is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise InputError("This benchmark needs Playwright: pip install playwright.") from error
    found = chromium.executable()
    if found is None:
        raise InputError("This benchmark needs Chromium, which was not found in PATH.")
    path = folder / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(TICK_RATE)
        file.writeframes(samples.tobytes())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*chromium.FLAGS, *chromium.speaking(path)])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.evaluate(
            "() => { const box = document.getElementById('voice-processing'); if (box?.checked) box.click(); }"
        )
        page.click("#start")
        page.wait_for_function("() => document.getElementById('avatar-video').videoWidth > 0", timeout=30_000)
        yield page
        browser.close()
