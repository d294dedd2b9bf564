"""The live path without a network: a recording goes through a session in virtual time.

Runs on: the caller's thread. Every frame is made exactly as in a call, with the same look-ahead and the same windows.
"""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.clock import MediaClock
from streaming.engine import Engine
from streaming.latency import LatencyPlan
from streaming.media import FRAME_TICKS, PACKET_TICKS, AudioChunk, VideoImage
from streaming.session import Session, Settings
from streaming.virtual_time import InlineWorker, VirtualTimeLoop


@dataclass(frozen=True, slots=True)
class OfflineFrame:
    """One frame: ``yuv`` (H*3//2, W) uint8 yuv420p and the sound that belongs to it, (1600,) int16 48 kHz."""

    index: int
    yuv: NDArray[np.uint8]
    samples: NDArray[np.int16]


def render(
    engine: Engine, samples: NDArray[np.int16], settings: Settings, future_frames: int = 2, seed: int = 0
) -> Generator[OfflineFrame, None, None]:
    """Yields the frames of a recording, ceil(n / 1600) of them.

    Args:
        engine: warm.
        samples: (n,) int16 mono 48 kHz.
        settings: avatar, style, intensity.
        future_frames: look-ahead as in `streaming.latency.LatencyPlan`.
        seed: of the idle life.

    Raises:
        Exception: of the engine; there is no such avatar or style, for example.
    """
    count = -(-len(samples) // FRAME_TICKS)
    padded = np.zeros(count * FRAME_TICKS, dtype=np.int16)
    padded[: len(samples)] = samples
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        plan = LatencyPlan(engine.recognizer_delay_ticks, future_frames)
        session, tasks = runner.run(_begin(engine, plan, settings, seed, padded))
        try:
            for index in range(count):
                image = runner.run(_next(session, tasks[0]))
                yield OfflineFrame(index, image.yuv, padded[index * FRAME_TICKS : (index + 1) * FRAME_TICKS])
        finally:
            for task in tasks:
                task.cancel()
            engine.close(session.lease.slot)


async def _begin(
    engine: Engine, plan: LatencyPlan, settings: Settings, seed: int, samples: NDArray[np.int16]
) -> tuple[Session, list[asyncio.Task[None]]]:
    loop = asyncio.get_running_loop()
    worker = InlineWorker(engine)
    session = Session(worker, worker.lease(), plan, MediaClock(plan.delay, loop.time), settings, seed)
    await session.open()
    session.start(plan.delay + plan.preroll)
    return session, [
        loop.create_task(session.run(), name="offline session"),
        loop.create_task(_speak(session, samples), name="offline microphone"),
    ]


async def _next(session: Session, running: asyncio.Task[None]) -> VideoImage:
    """The next picture, or the error that ended the session."""
    image = asyncio.ensure_future(session.next_image())
    await asyncio.wait({image, running}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        image.cancel()
        running.result()
    return await image


async def _speak(session: Session, samples: NDArray[np.int16]) -> None:
    """Pushes the recording as a microphone would: a packet when its last sample has been spoken."""
    clock = session.clock
    for start in range(0, len(samples), PACKET_TICKS):
        chunk = AudioChunk(start, 0, samples[start : start + PACKET_TICKS])
        await clock.wait_until(clock.deadline(start + PACKET_TICKS - clock.delay))
        session.push_audio(chunk)
