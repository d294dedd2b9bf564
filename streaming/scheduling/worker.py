"""A device's worker as the sessions see it: places, jobs with deadlines, and whether there is too much to do.

Runs on: event loop; the models run on its `ModelThread`. A batch that fails ends the sessions in it. When the engine
has to be built anew the worker is unready and every session ends. What is shown at best follows from what the stages
cost on this machine.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from streaming.clock import monotonic
from streaming.engine import Engine, StylePosition
from streaming.errors import ControlFailed, EngineFailure, WorkerFull
from streaming.scheduling.measurement import PictureEncoder, measure
from streaming.scheduling.model_thread import ModelThread
from streaming.scheduling.overload import OverloadLadder
from streaming.scheduling.plan import SIZES, MachinePlan, StageCosts, plan_for
from streaming.scheduling.scheduler import Job, JobKind
from streaming.scheduling.slots import SlotLease, Slots
from streaming.scheduling.timing import StageTiming
from streaming.units import MODEL_SAMPLE_TICKS, TICK_RATE


class Worker(Protocol):
    """What a session needs of a worker; the threaded one serves live sessions, the inline one virtual time."""

    @property
    def ladder(self) -> OverloadLadder:
        """How large and how many pictures are; is told how they fare."""

    async def prepare(self, avatar: str, size: int) -> None:
        """Loads a portrait for pictures of ``size`` beside the running work."""

    def submit(self, kind: JobKind, lease: SlotLease, payload: Any, deadline: float) -> "asyncio.Future[Any]":
        """Queues a job. The future raises EngineFailure, or what a control job is refused with."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a worker runs on.

    Attributes:
        cores: processors that this program may use, maybe a fraction.
        spare: how many of the machine's have nothing to do just now; None where that is not known.
        sizes: pictures that may be made, largest first.
        fixed: start with the largest, whatever it costs.
        encoder_of: makes an encoder of pictures of a size, to measure what it costs.
    """

    cores: float = 1.0
    spare: Callable[[], float | None] = lambda: None
    sizes: tuple[int, ...] = SIZES
    fixed: bool = False
    encoder_of: Callable[[int], PictureEncoder] = lambda size: lambda image: None

    def plan(self, costs: StageCosts) -> MachinePlan:
        """What sessions start with where the stages cost this much."""
        return plan_for(costs, self.cores, self.sizes, self.fixed)


class BatchWorker:
    """Leases slots and runs jobs.

    Args:
        make_engine: builds the engine; called on the worker thread.
        slots: sessions served at the same time.
        pad: fill batches up to a power of two; for devices that prepare their work per shape.
        now: seconds on a steady clock.
        machine: what it runs on.
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        slots: int,
        pad: bool = False,
        now: Callable[[], float] = monotonic,
        machine: Machine | None = None,
    ) -> None:
        self.ready = False
        self.recognizer_delay = 0
        self.machine = machine or Machine()
        self.plan = self.machine.plan(StageCosts.nothing(self.machine.sizes))
        """What sessions start with; the best there is until the stages have been measured."""
        self.ladder = OverloadLadder(self.plan.rungs())
        self._costs: StageCosts | None = None
        self._engine: Engine | None = None
        self._now = now
        self._thread = ModelThread(make_engine, self, pad, now, self._thread_measure)
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

    def make_ladder(self, plan: MachinePlan, costs: StageCosts) -> OverloadLadder:
        """What decides how good pictures are while sessions run."""
        machine = self.machine
        return OverloadLadder(plan.rungs(), costs, lambda: self._slots.used, machine.cores, machine.spare)

    def _thread_measure(self, engine: Engine) -> StageCosts:
        return measure(engine, self.machine.sizes, self.machine.encoder_of)

    @property
    def size(self) -> int:
        """Width and height of the largest pictures, in pixels."""
        return self.plan.best.size

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
        calm = self.ladder.rung.admits or not self._slots.used  # without a session nothing brings the ladder back
        return self.ready and self.plan.feasible and calm and self._slots.free > 0

    def lease(self) -> SlotLease:
        """Takes a free slot.

        Raises:
            WorkerFull: no slot is free, the worker is overloaded or not ready.
        """
        if not self.accepting:
            raise WorkerFull(f"{self._slots.used} of {self.slots} sessions are in use")
        if not self._slots.used:
            self.ladder.reset()
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

    async def prepare(self, avatar: str, size: int) -> None:
        """Loads a portrait for pictures of ``size`` on a thread of its own.

        Raises:
            Exception: of the engine; there is no such avatar, for example.
        """
        if self._engine is not None:
            await asyncio.to_thread(self._engine.prepare, avatar, size)

    async def style_map(self) -> Sequence[StylePosition]:
        """Where the styles lie in the plane, computed beside the running work; nothing while there is no engine."""
        return () if self._engine is None else await asyncio.to_thread(self._engine.style_map)

    def submit(self, kind: JobKind, lease: SlotLease, payload: Any, deadline: float) -> "asyncio.Future[Any]":
        """Queues a job.

        Returns:
            A future of the kind's result; raises EngineFailure when the lease has ended or the engine
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

    def engine_ready(self, engine: Engine, costs: StageCosts) -> None:
        """New sessions are served from now on."""
        self.recognizer_delay = engine.recognizer_delay_ticks
        self._costs = costs
        self.plan = self.machine.plan(costs)
        self.ladder = self.make_ladder(self.plan, costs)
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

    def batch_done(self, jobs: list[Job], results: list[Any], seconds: float) -> None:
        """Hands the results to who waits for them."""
        for job, result in zip(jobs, results, strict=True):
            job.deliver(result)
        if self._costs is not None:
            self.ladder.ran(self._now(), seconds, expected(self._costs, jobs, results))


def expected(costs: StageCosts, jobs: Sequence[Job], results: Sequence[Any]) -> float:
    """Seconds that a batch takes by its ``costs``; 0 for a change of settings and for one that failed."""
    kind = jobs[0].kind
    if kind is JobKind.CONTROL or isinstance(results[0], BaseException):
        return 0.0
    if kind is JobKind.RECOGNIZE:
        return sum(len(job.payload) for job in jobs) * MODEL_SAMPLE_TICKS / TICK_RATE * costs.recognize
    if kind is JobKind.DECODE:
        return len(jobs) * costs.decode
    return sum(costs.render[picture.shape[1]] for picture in results)
