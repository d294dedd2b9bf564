"""The one thread per device that runs the models for all sessions.

Runs on: worker thread (everything named ``_thread_*``) and event loop (the rest); the two share the schedule under
one lock. A batch's results return to the loop with a single ``call_soon_threadsafe``.

A batch that fails ends the sessions in it. Three failures in a row turn the worker unready: it ends every session,
builds a new engine and warms it up.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from streaming.clock import monotonic
from streaming.engine import Engine, StylePlace
from streaming.errors import EngineFailure, JobExpired, WorkerFull
from streaming.overload import LADDER_TOP, OverloadLadder
from streaming.schedule import Batch, Job, JobKind, Schedule, run_batch
from streaming.slots import SlotLease, Slots
from streaming.timing import StageTiming, StageTimings

logger = logging.getLogger(__name__)
T = TypeVar("T")

FAILURES_TO_RESTART = 3
RESTART_PAUSE = 2.0  # seconds between two attempts to build an engine


class Worker(Protocol):
    """What a session needs of a worker; the threaded one serves live sessions, the inline one virtual time."""

    @property
    def level(self) -> int:
        """Rung of the overload ladder: 0 all well, 1 half the video rate, 2 no new sessions either."""

    async def prepare(self, avatar: str) -> None:
        """Loads a portrait beside the running work."""

    def submit(self, kind: JobKind, lease: SlotLease, payload: Any, deadline: float) -> "asyncio.Future[Any]":
        """Queues a job. The future raises JobExpired, or EngineFailure."""


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
        self._make_engine = make_engine
        self._pad = pad
        self._now = now
        self._schedule = Schedule()
        self._make_ladder = make_ladder
        self._ladder = make_ladder()
        self._condition = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._became_ready = asyncio.Event()
        self._slots = Slots(slots)
        self._timings = StageTimings()

    # Event loop

    def start(self) -> None:
        """Starts the thread; the worker is ready once the engine is built and warm."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._thread_main, name="model-worker", daemon=True)
        self._thread.start()

    async def wait_ready(self) -> None:
        """Returns when the engine is warm."""
        await self._became_ready.wait()

    async def aclose(self) -> None:
        """Stops the thread after the batch it is working on; waiting jobs are cancelled."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self.ready = False
        for job in self._schedule.remove_all():
            job.deliver(EngineFailure("the server is shutting down"))
        self._slots.forget_all()

    @property
    def level(self) -> int:
        return self._ladder.level

    @property
    def busy_share(self) -> float:
        """Share of the last two seconds in which the device was at work."""
        return self._ladder.busy_share

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
        calm = self._ladder.level < LADDER_TOP or not self._slots.used  # without a session nothing brings it down
        return self.ready and calm and self._slots.free > 0

    def lease(self) -> SlotLease:
        """Takes a free slot.

        Raises:
            WorkerFull: no slot is free, the worker is overloaded or not ready.
        """
        if not self.accepting:
            raise WorkerFull(f"{self._slots.used} of {self.slots} sessions are in use")
        if not self._slots.used:
            self._ladder = self._make_ladder()
        return self._slots.take()

    async def release(self, lease: SlotLease) -> None:
        """Gives the slot back; returns when the engine has closed it."""
        if not self._slots.holds(lease):
            return
        self._slots.give_back(lease)
        with self._condition:
            orphans = self._schedule.remove(lease)
        for job in orphans:
            job.deliver(EngineFailure("the session has ended"))
        try:
            with suppress(EngineFailure):  # logged by the thread; the next session opens the slot anew
                await self._enqueue(JobKind.CONTROL, lease, lambda engine: engine.close(lease.slot), self._now())
        finally:
            self._slots.cleared(lease)

    async def prepare(self, avatar: str) -> None:
        """Loads a portrait on a thread of its own.

        Raises:
            ValueError: there is no such avatar.
        """
        if self._engine is not None:
            await asyncio.to_thread(self._engine.prepare, avatar)

    async def style_map(self) -> Sequence[StylePlace]:
        """Where the styles lie in the plane, computed beside the running work; nothing while there is no engine."""
        return () if self._engine is None else await asyncio.to_thread(self._engine.style_map)

    def submit(self, kind: JobKind, lease: SlotLease, payload: Any, deadline: float) -> "asyncio.Future[Any]":
        """Queues a job.

        Returns:
            A future of the kind's result; raises JobExpired, or EngineFailure when the lease has ended or the engine
            failed.
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

        with self._condition:
            self._schedule.add(Job(kind, lease, payload, deadline, deliver, self._now()))
            self._condition.notify()
        return future

    def timings(self) -> dict[str, StageTiming]:
        """Recent timing per kind of job, by the kind's name."""
        return self._timings.summary()

    def _announce_ready(self, engine: Engine) -> None:
        self.recognizer_delay = engine.recognizer_delay_ticks
        self.size = engine.size
        self._engine = engine
        self.ready = True
        self._became_ready.set()

    def _announce_restart(self) -> None:
        self.ready = False
        self._engine = None
        self._became_ready.clear()
        self._slots.forget_all()
        with self._condition:
            orphans = self._schedule.remove_all()
        for job in orphans:
            job.deliver(EngineFailure("the model worker is starting anew"))

    def _deliver(self, batch: Batch, results: list[Any]) -> None:
        for job in batch.expired:
            job.deliver(JobExpired())
        for job, result in zip(batch.jobs, results, strict=True):
            job.deliver(result)

    # Worker thread

    def _thread_main(self) -> None:
        while not self._stopping:
            try:
                engine = self._make_engine()
                engine.warmup()
            except Exception:
                logger.exception("the engine could not be built; trying again in %.0f s", RESTART_PAUSE)
                with self._condition:
                    self._condition.wait_for(lambda: self._stopping, RESTART_PAUSE)
                continue
            self._thread_tell(self._announce_ready, engine)
            self._thread_serve(engine)
            if not self._stopping:
                self._thread_tell(self._announce_restart)

    def _thread_serve(self, engine: Engine) -> None:
        """Runs batches until the worker stops or the engine has failed three times in a row."""
        failures = 0
        while failures < FAILURES_TO_RESTART:
            with self._condition:
                self._condition.wait_for(lambda: self._stopping or len(self._schedule) > 0)
                if self._stopping:
                    return
                began = self._now()
                batch = self._schedule.take(began)
            results: list[Any] = []
            if batch.jobs:
                try:
                    results = run_batch(engine, batch.jobs, self._pad)
                    failures = 0
                except Exception as error:
                    results = [self._thread_failure(batch, error)] * len(batch.jobs)
                    failures += not _is_refusal(batch, error)
            self._thread_measure(batch, began)
            self._thread_tell(self._deliver, batch, results)

    def _thread_failure(self, batch: Batch, error: Exception) -> Exception:
        """What the sessions of a failed batch are told: a refused control job keeps its own error."""
        if _is_refusal(batch, error):
            return error
        kind = batch.jobs[0].kind.value
        logger.exception("the %s failed on a batch of %d", kind, len(batch.jobs))
        return EngineFailure(f"the {kind} failed")

    def _thread_measure(self, batch: Batch, began: float) -> None:
        ended = self._now()
        if batch.jobs:
            kind = batch.jobs[0].kind
            wait = max(began - job.submitted for job in batch.jobs)
            self._timings.add(kind, wait, ended - began, len(batch.jobs))
            self._ladder.ran(ended, ended - began)
            if kind is JobKind.RENDER:
                for job in batch.jobs:
                    self._ladder.frame(ended, ended > job.deadline)
        for _ in batch.expired:
            self._ladder.frame(ended, True)

    def _thread_tell(self, callback: Callable[..., None], *args: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args)


def _is_refusal(batch: Batch, error: Exception) -> bool:
    """True for a control job that was asked for something impossible, such as an unknown style."""
    return batch.jobs[0].kind is JobKind.CONTROL and isinstance(error, ValueError)
