"""Live avatar: speaks in real time through a session of a worker.

Runs on: event loop; the models on the worker.
"""

import asyncio
from collections import deque
from typing import Final, Self

from streaming.avatar.audio_input import AudioInput
from streaming.avatar.media import AudioFrame, AvatarMedia, VideoFrame, split
from streaming.avatar.spoken_session import SpokenMedia, SpokenSession
from streaming.clock import MediaClock
from streaming.engine import StyleChoice
from streaming.errors import EngineFailure, first_leaf
from streaming.frames.presence import Presence
from streaming.latency import LatencyPlan
from streaming.scheduling.batch_worker import BatchWorker
from streaming.session import Session, Settings
from streaming.speaker import Interruption
from streaming.tasks import cancel
from streaming.units import TICK_RATE, Tick

CAPACITY: Tick = 3_600 * TICK_RATE
"""Maximum queued audio: one hour."""
FRAMES_HELD: Final = 15
"""Frames that wait for a slow consumer; it loses the oldest ones."""
AUDIO_FRAMES_HELD: Final = 3_000
"""Audio that waits for a slow consumer: a minute."""


class LiveAvatar:
    """Implements `SpeakingAvatar`. Created by `open`; its clock starts with the first call of `next`."""

    def __init__(self, session: Session, worker: BatchWorker) -> None:
        self._session = session
        self._worker = worker
        self._spoken = SpokenSession(session, self._deliver, capacity=CAPACITY)
        self._audio = AudioInput(self._spoken.speaker)
        self._media: deque[AvatarMedia] = deque()
        self._delivered = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._changing: set[asyncio.Task[int]] = set()
        self._finished = False
        self._frames_end: Tick = 0

    @classmethod
    async def open(cls, worker: BatchWorker, settings: Settings, future_frames: int = 2) -> Self:
        """Take a slot of a worker that is ready.

        Raises:
            WorkerFull: no slot is free.
            Exception: raised by the engine, for example for an unknown avatar or style.
        """
        lease = worker.lease()
        plan = LatencyPlan(worker.recognizer_delay, future_frames, budget=worker.plan.budget)
        session = Session(worker, lease, plan, MediaClock(plan.delay), settings, seed=lease.generation)
        try:
            await session.open()
        except BaseException:
            await worker.release(lease)
            raise
        return cls(session, worker)

    async def push(self, data: bytes, rate: int) -> None:
        """Append audio; waits while an hour of it is queued."""
        await self._spoken.speaker.wait_for_room(self._audio.ticks(data, rate))
        await self._audio.push_long(data, rate)

    def commit(self) -> None:
        """Complete the open utterance."""
        self._audio.commit()

    def finish(self) -> None:
        """End the input."""
        self.commit()
        self._finished = True

    def set_style(self, style: StyleChoice, intensity: float, fade_s: float) -> None:
        """Cross-fade to a style."""
        task = asyncio.create_task(self._session.set_style(style, intensity, fade_s), name="set style")
        self._changing.add(task)

    def set_presence(self, presence: Presence) -> None:
        """Fade to where and how the face is wanted to be."""
        self._session.set_presence(presence)

    async def interrupt(self) -> Interruption:
        """Stop speaking with the next packet."""
        return self._spoken.interrupt()

    async def next(self) -> AvatarMedia | None:
        """Return what is due next."""
        if self._running is None:
            self._running = asyncio.create_task(self._spoken.run(), name="live avatar")
            self._running.add_done_callback(lambda _: self._delivered.set())
        while not self._media:
            self._raise_errors()
            if self._over:
                return None
            self._delivered.clear()
            await self._delivered.wait()
        return self._media.popleft()

    async def aclose(self) -> None:
        """End the session and release the slot."""
        tasks = [*self._changing, *([self._running] if self._running else [])]
        await cancel(*tasks)
        await self._worker.release(self._session.lease)

    @property
    def _over(self) -> bool:
        speaker = self._spoken.speaker
        return (
            self._finished and not speaker.waiting and min(self._session.played_tick, self._frames_end) >= speaker.end
        )

    def _raise_errors(self) -> None:
        done = {task for task in self._changing if task.done()}
        self._changing -= done
        for task in done:
            task.result()
        if self._running is not None and self._running.done():
            error = self._running.exception()
            raise first_leaf(error) if error else EngineFailure("the session has ended")

    def _deliver(self, media: SpokenMedia) -> None:
        """Queue media; what a slow consumer has not taken in time is dropped."""
        self._media.extend(split(media))
        self._drop(VideoFrame, FRAMES_HELD)
        self._drop(AudioFrame, AUDIO_FRAMES_HELD)
        newest = self._media[-1]
        if isinstance(newest, VideoFrame):
            self._frames_end = newest.tick + TICK_RATE // self._session.frame_rate
        self._delivered.set()

    def _drop(self, kind: type[VideoFrame] | type[AudioFrame], held: int) -> None:
        """Drop the oldest item of a kind when more than ``held`` wait."""
        if len(self._media) <= held:
            return
        waiting = [item for item in self._media if isinstance(item, kind)]
        if len(waiting) > held:
            self._media.remove(waiting[0])
