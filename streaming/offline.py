"""The live path without a network: a recording goes through a session in virtual time.

Every frame is made exactly as in a call, with the same look-ahead and the same windows; only the drawing, which
nothing else depends on, is spread over threads.
Runs on: the caller's thread, and threads that draw.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Generator
from contextlib import closing
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
"""Frames that are being drawn or wait for it, for each thread: it has work while the session is busy with speech."""


@dataclass(frozen=True, slots=True)
class OfflineFrame:
    """One frame: ``yuv`` (H*3//2, W) uint8 yuv420p and the sound that belongs to it, (1600,) int16 48 kHz."""

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
        engine: need not be warm; its `render` must be callable from ``threads`` threads at once.
        samples: (n,) int16 mono 48 kHz.
        settings: avatar, style, intensity.
        future_frames: look-ahead as in `streaming.latency.LatencyPlan`.
        seed: of the idle motion.
        threads: frames that are drawn at the same time; the frames are the same for any number.
        cpu_seconds: adds up the processor time that each kind of job takes.

    Raises:
        Exception: of the engine; there is no such avatar or style, for example.
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
        for index in range(_frames(samples)):
            rendered = loop.run_until_complete(_next(session, running))
            frame = OfflineFrame(index, rendered.yuv, _cut(samples, index * FRAME_TICKS, FRAME_TICKS))
            unfinished.append(_Unfinished(frame, worker.begun()))
            while unfinished and (unfinished[0].drawn or len(unfinished) > FRAMES_PER_THREAD * threads):
                yield unfinished.popleft().finished(worker)
        while unfinished:
            yield unfinished.popleft().finished(worker)


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A frame, and what was begun to be drawn since the one before; its own drawing is no later than that."""

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
    """Opens a session that hears the recording; returns it and the task that it runs in."""
    loop = asyncio.get_running_loop()
    session = Session(worker, worker.lease(), plan, MediaClock(plan.delay, loop.time), settings, seed)
    await session.open()
    session.start(plan.delay + plan.preroll)
    return session, loop.create_task(_run(session, samples), name="offline session")


async def _run(session: Session, samples: NDArray[np.int16]) -> None:
    """Makes the frames of what is spoken, until it is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(session.run(), name="offline frames")
        tasks.create_task(_speak(session, samples), name="offline microphone")


async def _next(session: Session, running: asyncio.Task[None]) -> RenderedFrame:
    """The next picture, or the error that ended the session."""
    image = asyncio.ensure_future(session.next_frame())
    await asyncio.wait({image, running}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        image.cancel()
        raise _first(running.exception())
    return await image


def _first(error: BaseException | None) -> BaseException:
    """The first single error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error or RuntimeError("the session has ended before the recording")


async def _speak(session: Session, samples: NDArray[np.int16]) -> None:
    """Pushes the recording as a microphone would: a packet when its last sample has been spoken."""
    clock, end = session.clock, _frames(samples) * FRAME_TICKS
    for start in range(0, end, PACKET_TICKS):
        chunk = AudioChunk(start, 0, _cut(samples, start, min(PACKET_TICKS, end - start)))
        await clock.wait_until(clock.deadline(start + PACKET_TICKS - clock.delay))
        session.push_audio(chunk)


def _frames(samples: NDArray[np.int16]) -> int:
    """Frames of a recording, the last one filled up with silence."""
    return -(-len(samples) // FRAME_TICKS)


def _cut(samples: NDArray[np.int16], start: Tick, length: int) -> NDArray[np.int16]:
    """Samples from ``start`` on, (length,), silence after the end."""
    cut = samples[start : start + length]
    return np.concatenate([cut, np.zeros(length - len(cut), np.int16)]) if len(cut) < length else cut
