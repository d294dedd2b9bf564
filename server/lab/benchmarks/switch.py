"""`styletalk bench switch`: time until a real browser shows a style or avatar selected on the page.

Runs on: the main thread, with the server in another thread. The microphone never pauses. The page selects styles and
avatars in turn. After every other selection the server draws a white corner in the frames, starting with the frame it
has acknowledged, so that the page can detect the first frame of a selection by its pixels.
"""

import argparse
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from server.lab.benchmarks.browser import WATCH_CORNER, vowel
from server.lab.benchmarks.live_server import speaking_call
from server.lab.benchmarks.stopwatch import Stopwatch, flashing
from streaming.media import RenderedFrame
from streaming.session import Session
from streaming.units import FRAME_TICKS, Tick
from styletalk_core.errors import InputError

SETTLE_SECONDS = 6
KINDS = ("style", "avatar")
PROBE = (
    "async ({ kinds, times, pause, patience }) => {"
    + WATCH_CORNER
    + """
  const choices = [];
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const last = (kind) => styletalk.events.findLast(({ type }) => type === `${kind}.applied`);
  for (let time = 0; time < times; time++) for (const kind of kinds) {
    await sleep(pause * (1 + 0.2 * Math.random()));
    const inputs = [...document.querySelectorAll(`#${kind}s input`)];
    const earlier = last(kind), chosen = wall(performance.now()), before = frames.at(-1).at(-1);
    const changed = ([moment, , white]) => moment > chosen && white !== before;
    inputs[(inputs.findIndex(({ checked }) => checked) + 1) % inputs.length].click();
    const end = performance.now() + patience;
    do await sleep(pause);
    while (!(last(kind) !== earlier && frames.some(changed)) && performance.now() < end);
    const applied = last(kind), shown = frames.find(changed);
    if (applied !== earlier && shown) choices.push({ kind, chosen, frame: applied.frame, shown: shown[0] });
  }
  running = false;
  return choices;
}
"""
)


@dataclass(slots=True)
class Switches:
    """Draws a white corner in the frames after every other switch; created and read on the event loop.

    Attributes:
        frames: the acknowledged first frame of each switch so far.
    """

    frames: list[int] = field(default_factory=list)

    def watch(self, session: Session) -> None:
        """Wraps the methods of a session to observe its switches."""
        session.set_style = partial(self._switched, session.set_style)  # type: ignore[method-assign]
        session.set_avatar = partial(self._switched, session.set_avatar)  # type: ignore[method-assign]
        session.next_frame = partial(self._next_frame, session.next_frame)  # type: ignore[method-assign]

    async def _switched(self, switch: Callable[..., Awaitable[int]], *choice: Any) -> int:
        self.frames.append(await switch(*choice))
        return self.frames[-1]

    async def _next_frame(self, next_frame: Callable[[], Awaitable[RenderedFrame]]) -> RenderedFrame:
        rendered = await next_frame()
        return flashing(rendered) if sum(frame <= rendered.index for frame in self.frames) % 2 else rendered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument(
        "--times", type=int, default=15, metavar="N", help="number of styles, and of avatars, to select (15)"
    )
    parser.add_argument("--size", type=int, choices=(256, 512), default=512, help="video size (512)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Selects styles and avatars and reports the delays.

    Raises:
        InputError: no browser, an invalid option, or a selection that was not displayed.
    """
    if args.times < 1:
        raise InputError("--times must be at least 1.")
    with speaking_call(vowel(30), size=args.size) as (server, page):
        time.sleep(SETTLE_SECONDS)
        session = server.read(lambda: server.service.clients.microphone_sessions()[0])
        watch = server.read(lambda: Stopwatch(session, server.service.worker))
        server.read(lambda: Switches().watch(session.media_session))
        before = server.read(lambda: (session.media_session.stats.fresh, session.media_session.stats.late))
        choices = page.evaluate(PROBE, {"kinds": KINDS, "times": args.times, "pause": 700, "patience": 5_000})
        fresh, late = server.read(lambda: (session.media_session.stats.fresh, session.media_session.stats.late))
        delay_ms = server.service.plan().delay / 48
    if len(choices) < args.times * len(KINDS):
        raise InputError(f"Only {len(choices)} of {args.times * len(KINDS)} selections were visible in the video.")
    result = summary(choices, {tick: moments.decoding * 1000 for tick, moments in watch.frames.items()}) | {
        "delay_ms": delay_ms,
        "late_share": round((late - before[1]) / max(1, fresh + late - sum(before)), 5),
        "times": args.times,
    }
    if not args.json:
        for name, value in result.items():
            print(f"{name:<24}{value}")
    return result


def summary(choices: list[dict[str, Any]], begun: dict[Tick, float]) -> dict[str, float]:
    """Delays of all selections, in ms.

    ``shown``: from the selection to the display of its first frame. ``waited``: from the selection to the start of work
    on that frame, which is the part of the delay beyond the latency of any frame.

    Args:
        choices: selections as recorded by the page.
        begun: start of the work on each frame, ms since the epoch, by the tick at which the frame begins.
    """
    figures = {}
    for kind in KINDS:
        shown = [choice["shown"] - choice["chosen"] for choice in choices if choice["kind"] == kind]
        waited = [_begun(choice["frame"], begun) - choice["chosen"] for choice in choices if choice["kind"] == kind]
        for name, values in (("shown", shown), ("waited", waited)):
            figures[f"{kind}_{name}_p50_ms"] = round(float(np.median(values)), 1)
            figures[f"{kind}_{name}_max_ms"] = round(float(np.max(values)), 1)
    return figures


def _begun(frame: int, begun: dict[Tick, float]) -> float:
    """Returns the start of the work on ``frame``, or on the first later frame that was not skipped."""
    return begun[min(tick for tick in begun if tick >= frame * FRAME_TICKS)]
