"""Offline rendering: runs a recording through a live session in virtual time.

Every frame is computed exactly as in a live session, with the same look-ahead and windows; only drawing, on which
nothing else depends, is spread over threads.
Runs on: the caller's thread and the drawing threads.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.clock import MediaClock
from streaming.engine import Engine
from streaming.frames.drawing import Drawing, DrawingWorker
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk, RenderedFrame
from streaming.scheduling.jobs import JobKind
from streaming.session import Session, Settings
from streaming.units import FRAME_TICKS, PACKET_TICKS, Tick
from streaming.virtual_time import VirtualTimeLoop

FRAMES_PER_THREAD: Final = 4
"""Frames being drawn or queued per thread, so that drawing continues while the session processes speech."""


@dataclass(frozen=True, slots=True)
class OfflineFrame:
    """One frame: ``yuv`` (H*3//2, W) uint8 yuv420p and its audio, (1600,) int16 48 kHz."""

    index: int
    yuv: NDArray[np.uint8]
    samples: NDArray[np.int16]


def render(
    engine: Engine,
    samples: NDArray[np.int16],
    settings: Settings,
    future_frames: int = 2,
    seed: int = 0,
    threads: int = 1,
    cpu_seconds: defaultdict[JobKind, float] | None = None,
) -> Generator[OfflineFrame, None, None]:
    """Yields the frames of a recording, ceil(n / 1600) of them.

    Args:
        engine: need not be warm; `render` must be safe to call from ``threads`` threads at once.
        samples: (n,) int16 mono 48 kHz.
        settings: avatar, style, intensity.
        future_frames: look-ahead as in `streaming.latency.LatencyPlan`.
        seed: random seed of the idle motion.
        threads: drawing threads; the frames do not depend on the number.
        cpu_seconds: accumulates the CPU time of each kind of job.

    Raises:
        Exception: raised by the engine, for example for an unknown avatar or style.
    """
    usage = defaultdict[JobKind, float](float) if cpu_seconds is None else cpu_seconds
    with (
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
        closing(DrawingWorker(engine, threads, usage)) as worker,
    ):
        loop = runner.get_loop()  # `Runner.run` would set up a signal handler for each frame
        plan = LatencyPlan(engine.recognizer_delay_ticks, future_frames)
        session, running = loop.run_until_complete(_begin(worker, plan, settings, seed, samples))
        unfinished: deque[_Unfinished] = deque()
        with _ended(loop, running):
            for index in range(_frames(samples)):
                rendered = loop.run_until_complete(_next(session, running))
                frame = OfflineFrame(index, rendered.yuv, _cut(samples, index * FRAME_TICKS, FRAME_TICKS))
                unfinished.append(_Unfinished(frame, worker.begun()))
                while unfinished and (unfinished[0].drawn or len(unfinished) > FRAMES_PER_THREAD * threads):
                    yield unfinished.popleft().finished(worker)
            while unfinished:
                yield unfinished.popleft().finished(worker)


@contextmanager
def _ended(loop: asyncio.AbstractEventLoop, running: asyncio.Task[None]) -> Iterator[None]:
    """Ends the session with the block, so that an interrupt is raised once and not logged by each of its tasks."""
    try:
        yield
    finally:
        running.cancel()
        while not running.done():
            with suppress(KeyboardInterrupt):  # each task that ends with it stops the loop once more
                loop.run_until_complete(asyncio.wait({running}))
        if not running.cancelled():
            running.exception()


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A frame and the drawings started since the previous one, which include its own at the latest."""

    frame: OfflineFrame
    drawings: list[Drawing]

    @property
    def drawn(self) -> bool:
        return all(drawing.done() for drawing in self.drawings)

    def finished(self, worker: DrawingWorker) -> OfflineFrame:
        """Waits until the frame is drawn."""
        worker.finish(self.drawings)
        return self.frame


async def _begin(
    worker: DrawingWorker, plan: LatencyPlan, settings: Settings, seed: int, samples: NDArray[np.int16]
) -> tuple[Session, asyncio.Task[None]]:
    """Opens a session fed with the recording; returns it and the task that runs it."""
    loop = asyncio.get_running_loop()
    session = Session(worker, worker.lease(), plan, MediaClock(plan.delay, loop.time), settings, seed)
    await session.open()
    session.start(plan.delay + plan.preroll)
    return session, loop.create_task(_run(session, samples), name="offline session")


async def _run(session: Session, samples: NDArray[np.int16]) -> None:
    """Runs the session and feeds it with the recording, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(session.run(), name="offline frames")
        tasks.create_task(_speak(session, samples), name="offline microphone")


async def _next(session: Session, running: asyncio.Task[None]) -> RenderedFrame:
    """Return the next frame; raises the error that ended the session."""
    image = asyncio.ensure_future(session.next_frame())
    await asyncio.wait({image, running}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        image.cancel()
        raise _first(running.exception())
    return await image


def _first(error: BaseException | None) -> BaseException:
    """Return the first leaf exception of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error or RuntimeError("the session ended before the recording")


async def _speak(session: Session, samples: NDArray[np.int16]) -> None:
    """Pushes the recording like a microphone: each packet once its last sample has been captured."""
    clock, end = session.clock, _frames(samples) * FRAME_TICKS
    for start in range(0, end, PACKET_TICKS):
        chunk = AudioChunk(start, 0, _cut(samples, start, min(PACKET_TICKS, end - start)))
        await clock.wait_until(clock.deadline(start + PACKET_TICKS - clock.delay))
        session.push_audio(chunk)


def _frames(samples: NDArray[np.int16]) -> int:
    """Number of frames of a recording; the last one is padded with silence."""
    return -(-len(samples) // FRAME_TICKS)


def _cut(samples: NDArray[np.int16], start: Tick, length: int) -> NDArray[np.int16]:
    """Return samples from ``start`` on, (length,), padded with silence."""
    cut = samples[start : start + length]
    return np.concatenate([cut, np.zeros(length - len(cut), np.int16)]) if len(cut) < length else cut
