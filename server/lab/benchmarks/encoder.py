"""`styletalk bench encoder`: CPU time, quality and bitrate of VP8 with several settings, on one thread.

A talking, nodding and blinking portrait is rendered once and encoded with each setting in turn, repeatedly, so that
other load on the machine affects all settings alike. Quality is the luma PSNR against the rendered frames.
Runs on: the main thread.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from aiortc.codecs.vpx import Vp8Decoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame
from numpy.typing import NDArray

from server.webrtc.vp8_encoder import OPTIONS, VIDEO_CLOCK_RATE, LiveVp8Encoder
from streaming.units import FRAME_TICKS, TICK_RATE
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.mesh_renderer import MeshRenderer

ROUNDS: Final = 3
FRAME_PTS: Final = FRAME_TICKS * VIDEO_CLOCK_RATE // TICK_RATE
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "live": {},
    "static-thresh 1": {"static-thresh": "1"},
    "static-thresh 1000": {"static-thresh": "1000"},
    "cpu-used -8": {"cpu-used": "-8"},
    "cpu-used -14": {"cpu-used": "-14"},
    "cpu-used -16": {"cpu-used": "-16"},
    "screen-content-mode 1": {"screen-content-mode": "1"},
    "error-resilient": {"error-resilient": "default"},
    "noise-sensitivity 1": {"noise-sensitivity": "1"},
}
"""Changes to the encoder options of a session."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Mean CPU time and luma PSNR per frame, without the first frame; bitrate at 30 fps."""

    settings: str
    cpu_ms: float
    psnr_db: float
    kbit_s: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--size", type=int, choices=(256, 384, 512), default=512, help="video size (512)")
    parser.add_argument("--frames", type=int, default=150, help="frames to encode per setting (150)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``size`` and ``settings``: ``cpu_ms``, ``psnr_db``, ``kbit_s`` of each setting, the live one first."""
    frames = _talking_portrait(args.size, args.frames)
    rounds = [
        [_encoded(frames, args.size, name, {**OPTIONS, **changed}) for name, changed in SETTINGS.items()]
        for _ in range(ROUNDS)
    ]
    rows = [min(alike, key=lambda figures: figures.cpu_ms) for alike in zip(*rounds, strict=True)]
    if not args.json:
        for row in rows:
            print(f"{row.settings:24}{row.cpu_ms:8.2f} ms{row.psnr_db:8.2f} dB{row.kbit_s:8.0f} kbit/s")
    return {"size": args.size, "settings": [asdict(row) for row in rows]}


def _talking_portrait(size: int, frames: int) -> list[NDArray[np.uint8]]:
    """Frames (1.5 size, size) uint8 yuv420p, 30 fps: mouth at syllable rate, slow head motion, a blink every 2.5 s."""
    library = AvatarLibrary(Path())
    renderer = MeshRenderer(library.get(library.names()[0]), size)
    random = np.random.default_rng(0)
    rates, phases = random.uniform(0.5, 4, 64), random.uniform(0, 2 * np.pi, 64)
    turn, gaze = np.array([0.05, 0.08, 0.03, 0.02, 0.02, 0.1], np.float32), np.zeros(2, np.float32)
    images = []
    for second in np.arange(frames) / 30:
        expression = np.sin(2 * np.pi * rates * second + phases).astype(np.float32)
        blink = max(0.0, 8 * np.sin(2 * np.pi * 0.4 * second) - 7)
        images.append(renderer.render(expression, turn * np.float32(np.sin(second)), gaze, blink).copy())
    return images


def _encoded(frames: Sequence[NDArray[np.uint8]], size: int, name: str, options: Mapping[str, str]) -> Figures:
    encoder, decoder = LiveVp8Encoder(size, options), Vp8Decoder()
    cpu, decibels, sent = [], [], 0
    for index, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts, frame.time_base = index * FRAME_PTS, Fraction(1, VIDEO_CLOCK_RATE)
        started = time.thread_time()
        payloads, timestamp = encoder.encode(frame)
        cpu.append(time.thread_time() - started)
        data = b"".join(map(vp8_depayload, payloads))
        sent += len(data)
        for shown in decoder.decode(JitterFrame(data, timestamp)):
            assert isinstance(shown, av.VideoFrame)
            error = shown.to_ndarray()[:size].astype(np.float32) - pixels[:size]
            decibels.append(10 * np.log10(255**2 / max(float(np.mean(error**2)), 1e-3)))
    kbit = sent * 8 / 1000 / (len(frames) * FRAME_TICKS / TICK_RATE)
    return Figures(
        name, round(float(np.mean(cpu[1:])) * 1000, 2), round(float(np.mean(decibels[1:])), 2), round(kbit, 1)
    )
