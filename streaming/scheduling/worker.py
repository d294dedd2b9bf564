"""Worker interface of sessions: recognize, decode, render and control, each a job that is answered later.

Runs on: event loop.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streaming.engine import RecognizedHops
from streaming.media import MotionFrame
from streaming.scheduling.jobs import AnyJob, ControlJob, ControlOperation, DecodeJob, RecognizeJob, RenderJob
from streaming.scheduling.overload import OverloadLadder
from streaming.scheduling.slots import SlotLease


class Worker(ABC):
    """Worker interface of a session; the threaded worker serves live sessions, the inline worker virtual time.

    Requests are queued immediately. Their futures raise EngineFailure if the slot of the session was released or the
    engine failed.

    Args:
        now: seconds on the clock of the deadlines.
    """

    ladder: OverloadLadder
    """Overload ladder: determines the frame size and rate from reported lateness."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    @abstractmethod
    async def prepare(self, avatar: str, size: int) -> None:
        """Loads an avatar for frames of ``size`` in the background."""

    @abstractmethod
    def submit(self, job: AnyJob) -> None:
        """Submits a job; its future is resolved now or later."""

    def recognize(
        self, lease: SlotLease, audio: NDArray[np.float32], deadline: float
    ) -> "asyncio.Future[RecognizedHops]":
        """Feeds ``audio`` (n,) float32 16 kHz to the session's recognizer."""
        job = RecognizeJob(lease, deadline, self._now(), asyncio.get_running_loop().create_future(), audio)
        self.submit(job)
        return job.answer

    def decode(
        self, lease: SlotLease, window: NDArray[np.float32], deadline: float
    ) -> "asyncio.Future[NDArray[np.float32]]":
        """Decodes a phone window (11, 41) float32 into an expression (64,) float32."""
        job = DecodeJob(lease, deadline, self._now(), asyncio.get_running_loop().create_future(), window)
        self.submit(job)
        return job.answer

    def render(self, lease: SlotLease, motion: MotionFrame, deadline: float) -> "asyncio.Future[NDArray[np.uint8]]":
        """Renders a motion frame to (H*3//2, W) uint8 yuv420p."""
        job = RenderJob(lease, deadline, self._now(), asyncio.get_running_loop().create_future(), motion)
        self.submit(job)
        return job.answer

    def control(self, lease: SlotLease, operation: ControlOperation) -> "asyncio.Future[None]":
        """Changes the state that the engine keeps for the session; raises the engine's error or ControlFailed."""
        job = self._control_job(lease, operation)
        self.submit(job)
        return job.answer

    def _control_job(self, lease: SlotLease, operation: ControlOperation) -> ControlJob:
        now = self._now()
        return ControlJob(lease, now, now, asyncio.get_running_loop().create_future(), operation)
