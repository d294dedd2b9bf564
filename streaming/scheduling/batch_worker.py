"""Batch worker of one device: slots, jobs with deadlines, overload handling.

Runs on: event loop; the models run on its `ModelThread`. A failed batch ends the sessions in it. While the engine is
rebuilt the worker is not ready, and all sessions end. The best frame size and rate follow from the measured stage
costs.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from streaming.clock import monotonic
from streaming.engine import Engine, StylePosition
from streaming.errors import ControlFailed, EngineFailure, WorkerFull
from streaming.scheduling.jobs import AnyAnswer, AnyJob, expected
from streaming.scheduling.measurement import FrameEncoder, measure
from streaming.scheduling.model_thread import ModelThread
from streaming.scheduling.overload import OverloadLadder
from streaming.scheduling.plan import SIZES, MachinePlan, StageCosts, plan_for
from streaming.scheduling.slots import SlotLease, Slots
from streaming.scheduling.timing import StageTiming
from streaming.scheduling.worker import Worker


@dataclass(frozen=True, slots=True)
class Machine:
    """Resources of a worker.

    Attributes:
        cores: CPU cores available to this process; may be a fraction.
        spare: returns the number of idle cores of the machine, None if unknown.
        sizes: allowed frame sizes, largest first.
        fixed: start with the largest size regardless of its cost.
        encoder_of: creates an encoder for frames of a size, to measure its cost.
    """

    cores: float = 1.0
    spare: Callable[[], float | None] = lambda: None
    sizes: tuple[int, ...] = SIZES
    fixed: bool = False
    encoder_of: Callable[[int], FrameEncoder] = lambda size: lambda image: None

    def plan(self, costs: StageCosts) -> MachinePlan:
        """Return the initial quality of sessions for these stage costs."""
        return plan_for(costs, self.cores, self.sizes, self.fixed)


class BatchWorker(Worker):
    """Leases slots and runs jobs.

    Args:
        make_engine: builds the engine; called on the worker thread.
        slots: maximum number of concurrent sessions.
        pad: pad batches to a power of two, for devices that compile per shape.
        now: returns seconds on a monotonic clock.
        machine: resources of the worker.
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        slots: int,
        pad: bool = False,
        now: Callable[[], float] = monotonic,
        machine: Machine | None = None,
    ) -> None:
        super().__init__(now)
        self.ready = False
        self.recognizer_delay = 0
        self.machine = machine or Machine()
        self.plan = self.machine.plan(StageCosts.nothing(self.machine.sizes))
        """Initial quality of sessions; the maximum until the stages have been measured."""
        self.ladder = OverloadLadder(self.plan.rungs())
        self._costs: StageCosts | None = None
        self._engine: Engine | None = None
        self._thread = ModelThread(make_engine, self, pad, now, self._thread_measure)
        self._became_ready = asyncio.Event()
        self._slots = Slots(slots)

    def start(self) -> None:
        """Starts the thread; the worker is ready once the engine is built and warm."""
        self._thread.start()

    async def wait_ready(self) -> None:
        """Waits until the engine is warm."""
        await self._became_ready.wait()

    async def aclose(self) -> None:
        """Stops the thread after its current batch; pending jobs fail."""
        waiting = await self._thread.stop()
        self.ready = False
        for job in waiting:
            job.fail(EngineFailure("the server is shutting down"))
        self._slots.forget_all()

    def make_ladder(self, plan: MachinePlan, costs: StageCosts) -> OverloadLadder:
        """Creates the overload ladder for a plan."""
        machine = self.machine
        return OverloadLadder(plan.rungs(), costs, lambda: self._slots.used, machine.cores, machine.spare)

    def _thread_measure(self, engine: Engine) -> StageCosts:
        return measure(engine, self.machine.sizes, self.machine.encoder_of)

    @property
    def size(self) -> int:
        """Width and height of the largest frames, in pixels."""
        return self.plan.best.size

    @property
    def slots(self) -> int:
        """Maximum number of concurrent sessions."""
        return self._slots.count

    @property
    def free_slots(self) -> int:
        return self._slots.free

    @property
    def accepting(self) -> bool:
        """True when a new session would be accepted."""
        calm = self.ladder.rung.admits or not self._slots.used  # without sessions the ladder never steps up
        return self.ready and self.plan.feasible and calm and self._slots.free > 0

    def lease(self) -> SlotLease:
        """Acquires a free slot.

        Raises:
            WorkerFull: no slot is free, the worker is overloaded or not ready.
        """
        if not self.accepting:
            raise WorkerFull(f"{self._slots.used} of {self.slots} sessions are in use")
        if not self._slots.used:
            self.ladder.reset()
        return self._slots.take()

    async def release(self, lease: SlotLease) -> None:
        """Returns the slot; waits until the engine has closed it."""
        if not self._slots.holds(lease):
            return
        self._slots.give_back(lease)
        for job in self._thread.remove(lease):
            job.fail(EngineFailure("the session has ended"))
        closing = self._control_job(lease, lambda engine: engine.close(lease.slot))
        self._thread.add(closing)
        try:
            with suppress(EngineFailure, ControlFailed):  # logged by the thread; the next session reopens the slot
                await closing.answer
        finally:
            self._slots.cleared(lease)

    async def prepare(self, avatar: str, size: int) -> None:
        """Loads an avatar for frames of ``size`` on a background thread.

        Raises:
            Exception: raised by the engine, for example for an unknown avatar.
        """
        if self._engine is not None:
            await asyncio.to_thread(self._engine.prepare, avatar, size)

    async def style_map(self) -> Sequence[StylePosition]:
        """Return the positions of the styles, computed on a background thread; empty while there is no engine."""
        return () if self._engine is None else await asyncio.to_thread(self._engine.style_map)

    def submit(self, job: AnyJob) -> None:
        """Queues a job, unless its lease has ended."""
        if self._slots.holds(job.lease):
            self._thread.add(job)
        else:
            job.fail(EngineFailure("the session's slot was taken away"))

    def failures(self) -> dict[str, int]:
        """Return the number of unexpected batch failures by job kind."""
        return dict(self._thread.failures)

    def timings(self) -> dict[str, StageTiming]:
        """Return recent timing statistics by job kind."""
        return self._thread.timings.summary()

    # Callbacks of the model thread

    def engine_ready(self, engine: Engine, costs: StageCosts) -> None:
        """Starts accepting sessions."""
        self.recognizer_delay = engine.recognizer_delay_ticks
        self._costs = costs
        self.plan = self.machine.plan(costs)
        self.ladder = self.make_ladder(self.plan, costs)
        self._engine = engine
        self.ready = True
        self._became_ready.set()

    def engine_lost(self) -> None:
        """Ends every session; new ones are rejected until the engine is rebuilt."""
        self.ready = False
        self._engine = None
        self._became_ready.clear()
        self._slots.forget_all()
        for job in self._thread.remove_all():
            job.fail(EngineFailure("the model worker is restarting"))

    def batch_done(self, answers: Sequence[AnyAnswer], seconds: float) -> None:
        """Sets the results of a batch."""
        for answer in answers:
            answer.deliver()
        if self._costs is not None:
            self.ladder.ran(self._now(), seconds, expected(self._costs, answers))

    def batch_failed(self, jobs: list[AnyJob], error: Exception, seconds: float) -> None:
        """Sets the error for all jobs of a batch."""
        for job in jobs:
            job.fail(error)
        if self._costs is not None:
            self.ladder.ran(self._now(), seconds, 0.0)
