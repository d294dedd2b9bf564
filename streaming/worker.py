"""A device's worker as the sessions see it: places, jobs with deadlines, and whether there is too much to do.

Runs on: event loop; the models run on its `ModelThread`. A batch that fails ends the sessions in it. When the engine
has to be built anew the worker is unready and every session ends.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from streaming.clock import monotonic
from streaming.engine import Engine, StylePlace
from streaming.errors import ControlFailed, EngineFailure, JobExpired, WorkerFull
from streaming.model_thread import ModelThread
from streaming.overload import LADDER_TOP, OverloadLadder
from streaming.schedule import Batch, Job, JobKind
from streaming.slots import SlotLease, Slots
from streaming.timing import StageTiming


class Worker(Protocol):
    """What a session needs of a worker; the threaded one serves live sessions, the inline one virtual time."""

    @property
    def level(self) -> int:
        """Rung of the overload ladder: 0 all well, 1 half the video rate, 2 no new sessions either."""

    async def prepare(self, avatar: str) -> None:
        """Loads a portrait beside the running work."""

    def submit(self, kind: JobKind, lease: SlotLease, payload: Any, deadline: float) -> "asyncio.Future[Any]":
        """Queues a job. The future raises JobExpired, EngineFailure, or what a control job is refused with."""


class BatchWorker:
    """Leases slots and runs jobs.

    Args:
        make_engine: builds the engine; called on the worker thread.
        slots: sessions served at the same time.
        pad: fill batches up to a power of two; for devices that prepare their work per shape.
        now: seconds on a steady clock.
        make_ladder: decides what is overload.
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        slots: int,
        pad: bool = False,
        now: Callable[[], float] = monotonic,
        make_ladder: Callable[[], OverloadLadder] = OverloadLadder,
    ) -> None:
        self.ready = False
        self.recognizer_delay = 0
        self.size = 0
        self._engine: Engine | None = None
        self._now = now
        self._make_ladder = make_ladder
        self._thread = ModelThread(make_engine, self, pad, now, make_ladder())
        self._became_ready = asyncio.Event()
        self._slots = Slots(slots)

    def start(self) -> None:
        """Starts the thread; the worker is ready once the engine is built and warm."""
        self._thread.start()

    async def wait_ready(self) -> None:
        """Returns when the engine is warm."""
        await self._became_ready.wait()

    async def aclose(self) -> None:
        """Stops the thread after the batch it is working on; waiting jobs are cancelled."""
        waiting = await self._thread.stop()
        self.ready = False
        for job in waiting:
            job.deliver(EngineFailure("the server is shutting down"))
        self._slots.forget_all()

    @property
    def level(self) -> int:
        return self._thread.ladder.level

    @property
    def busy_share(self) -> float:
        """Share of the last two seconds in which the device was at work."""
        return self._thread.ladder.busy_share

    @property
    def slots(self) -> int:
        """Sessions served at the same time."""
        return self._slots.count

    @property
    def free_slots(self) -> int:
        return self._slots.free

    @property
    def accepting(self) -> bool:
        """True when a new session would be served."""
        calm = self.level < LADDER_TOP or not self._slots.used  # without a session nothing brings the level down
        return self.ready and calm and self._slots.free > 0

    def lease(self) -> SlotLease:
        """Takes a free slot.

        Raises:
            WorkerFull: no slot is free, the worker is overloaded or not ready.
        """
        if not self.accepting:
            raise WorkerFull(f"{self._slots.used} of {self.slots} sessions are in use")
        if not self._slots.used:
            self._thread.ladder = self._make_ladder()
        return self._slots.take()

    async def release(self, lease: SlotLease) -> None:
        """Gives the slot back; returns when the engine has closed it."""
        if not self._slots.holds(lease):
            return
        self._slots.give_back(lease)
        for job in self._thread.remove(lease):
            job.deliver(EngineFailure("the session has ended"))
        try:
            with suppress(EngineFailure, ControlFailed):  # logged by the thread; the next session opens the slot anew
                await self._enqueue(JobKind.CONTROL, lease, lambda engine: engine.close(lease.slot), self._now())
        finally:
            self._slots.cleared(lease)

    async def prepare(self, avatar: str) -> None:
        """Loads a portrait on a thread of its own.

        Raises:
            Exception: of the engine; there is no such avatar, for example.
        """
        if self._engine is not None:
            await asyncio.to_thread(self._engine.prepare, avatar)

    async def style_map(self) -> Sequence[StylePlace]:
        """Where the styles lie in the plane, computed beside the running work; nothing while there is no engine."""
        return () if self._engine is None else await asyncio.to_thread(self._engine.style_map)

    def submit(self, kind: JobKind, lease: SlotLease, payload: Any, deadline: float) -> "asyncio.Future[Any]":
        """Queues a job.

        Returns:
            A future of the kind's result; raises JobExpired, EngineFailure when the lease has ended or the engine
            failed, or for a control job the engine's refusal or ControlFailed.
        """
        if not self._slots.holds(lease):
            failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            failed.set_exception(EngineFailure("the session's slot was taken away"))
            return failed
        return self._enqueue(kind, lease, payload, deadline)

    def _enqueue(self, kind: JobKind, lease: SlotLease, payload: Any, deadline: float) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def deliver(result: Any) -> None:
            if future.done():
                return
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

        self._thread.add(Job(kind, lease, payload, deadline, deliver, self._now()))
        return future

    def failures(self) -> dict[str, int]:
        """Batches that failed unexpectedly, by the name of their kind."""
        return dict(self._thread.failures)

    def timings(self) -> dict[str, StageTiming]:
        """Recent timing per kind of job, by the kind's name."""
        return self._thread.timings.summary()

    # What the thread tells

    def engine_ready(self, engine: Engine) -> None:
        """New sessions are served from now on."""
        self.recognizer_delay = engine.recognizer_delay_ticks
        self.size = engine.size
        self._engine = engine
        self.ready = True
        self._became_ready.set()

    def engine_lost(self) -> None:
        """Every session ends; new ones must wait for the next engine."""
        self.ready = False
        self._engine = None
        self._became_ready.clear()
        self._slots.forget_all()
        for job in self._thread.remove_all():
            job.deliver(EngineFailure("the model worker is starting anew"))

    def batch_done(self, batch: Batch, results: list[Any]) -> None:
        """Hands the results to who waits for them."""
        for job in batch.expired:
            job.deliver(JobExpired())
        for job, result in zip(batch.jobs, results, strict=True):
            job.deliver(result)
