"""`styletalk bench interruption`: time until interrupted speech disappears in a real browser.

Runs on: the main thread, with the server in another thread. The microphone never pauses. The page interrupts repeatedly
and records when the returned audio becomes silent. The server draws a white corner in the frames of every other epoch,
so that the page can tell which frames are older than the interruption.
"""

import argparse
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import numpy as np

from server.lab.benchmarks.browser import WATCH_CORNER, vowel
from server.lab.benchmarks.live_server import speaking_call
from server.lab.benchmarks.stopwatch import flashing
from streaming.media import RenderedFrame
from streaming.session import Session
from styletalk_core.errors import InputError

SETTLE_SECONDS = 6
PROBE = (
    "async ({ times, pause, quietMs }) => {"
    + WATCH_CORNER
    + """
  const loud = [];
  const track = video.srcObject.getAudioTracks()[0].clone();
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  const listen = (async () => {
    while (running) {
      const { value, done } = await reader.read();
      if (done) break;
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      if (samples.some((sample) => Math.abs(sample) > 0.03)) loud.push(wall(performance.now()));
      value.close();
    }
    track.stop();
  })();
  const sounds = [], pictures = [];
  for (let time = 0; time < times; time++) {
    await new Promise((resolve) => setTimeout(resolve, pause + 200 * Math.random()));
    const pressed = wall(performance.now()), before = frames.at(-1).at(-1);
    document.getElementById("interrupt").click();
    await new Promise((resolve) => setTimeout(resolve, pause));
    const after = loud.filter((moment) => moment > pressed);
    const last = after.findIndex((moment, place) => (after[place + 1] ?? Infinity) - moment > quietMs);
    sounds.push(last < 0 ? 0 : after[last] - pressed);
    const first = frames.find(([moment, , white]) => moment > pressed && white !== before);
    if (first) pictures.push(first[0] - pressed);
  }
  running = false;
  await listen;
  return { sounds, pictures };
}
"""
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--times", type=int, default=20, metavar="N", help="interruptions (20)")
    parser.add_argument("--size", type=int, choices=(256, 512), default=512, help="video size (512)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Interrupts repeatedly and reports the delays.

    Raises:
        InputError: no browser, an invalid option, or no new frame after an interruption.
    """
    if args.times < 1:
        raise InputError("--times must be at least 1.")
    with speaking_call(vowel(30), size=args.size) as (server, page):
        time.sleep(SETTLE_SECONDS)
        server.read(lambda: _show_epochs(server.service.clients.microphone_sessions()[0].media_session))
        delay_ms = server.service.plan().delay / 48
        seen = page.evaluate(PROBE, {"times": args.times, "pause": 1_000, "quietMs": 100})
    if len(seen["pictures"]) < args.times:
        raise InputError(f"Only {len(seen['pictures'])} of {args.times} interruptions were visible in the video.")
    result = {
        f"{name}_{figure}_ms": round(float(function(seen[values])), 1)
        for name, values in (("stale_sound", "sounds"), ("stale_picture", "pictures"))
        for figure, function in (("p50", np.median), ("max", np.max))
    } | {"interruptions": args.times, "delay_ms": delay_ms}
    if not args.json:
        for name, value in result.items():
            print(f"{name:<22}{value}")
    return result


def _show_epochs(session: Session) -> None:
    """Draws a white corner in the frames of every other epoch."""

    async def next_frame(original: Callable[[], Awaitable[RenderedFrame]]) -> RenderedFrame:
        frame = await original()
        return flashing(frame) if frame.epoch % 2 else frame

    session.next_frame = partial(next_frame, session.next_frame)  # type: ignore[method-assign]
