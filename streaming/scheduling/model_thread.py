"""Model thread: one thread per device that builds the engine and runs batches on it.

Runs on: worker thread (everything named ``_thread_*``) and event loop (the rest); the two share the schedule under
one lock. A batch's results return to the loop with a single ``call_soon_threadsafe``.

The jobs of a failed batch receive the error. After three consecutive failures the thread builds a new engine.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVarTuple

from streaming.engine import Engine
from streaming.errors import ControlFailed, EngineFailure, StreamingError, is_refusal
from streaming.scheduling.jobs import AnyAnswer, AnyJob, JobKind
from streaming.scheduling.plan import StageCosts
from streaming.scheduling.scheduler import Schedule, run_batch
from streaming.scheduling.slots import SlotLease
from streaming.scheduling.timing import StageTimings

logger = logging.getLogger(__name__)
Arguments = TypeVarTuple("Arguments")

FAILURES_TO_RESTART = 3
RESTART_PAUSE = 2.0  # seconds between two attempts to build an engine


class ModelEvents(Protocol):
    """Callbacks of the model thread, called on the event loop."""

    def engine_ready(self, engine: Engine, costs: StageCosts) -> None:
        """Called when the engine is warm, with the measured stage costs."""

    def engine_lost(self) -> None:
        """Called when the engine has failed too often and is being rebuilt."""

    def batch_done(self, answers: Sequence[AnyAnswer], seconds: float) -> None:
        """A batch has taken ``seconds``."""

    def batch_failed(self, jobs: list[AnyJob], error: Exception, seconds: float) -> None:
        """A batch has failed after ``seconds``."""


class ModelThread:
    """Takes jobs from a schedule, earliest deadline first, and runs them.

    Args:
        make_engine: builds the engine; called on the thread.
        events: receives the callbacks on the event loop.
        pad: pad batches to a power of two, for devices that compile per shape.
        now: returns seconds on a monotonic clock.
        measure: measures the stage costs of a warm engine; called on the thread.
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        events: ModelEvents,
        pad: bool,
        now: Callable[[], float],
        measure: Callable[[Engine], StageCosts],
    ) -> None:
        self.timings = StageTimings()
        self.failures: Counter[str] = Counter()
        """Number of unexpected batch failures by job kind."""
        self._make_engine = make_engine
        self._events = events
        self._pad = pad
        self._now = now
        self._measure = measure
        self._schedule = Schedule()
        self._condition = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # Event loop

    def start(self) -> None:
        """Starts the thread; callbacks run on the current event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._thread_main, name="model-worker", daemon=True)
        self._thread.start()

    async def stop(self) -> list[AnyJob]:
        """Ends the thread after the batch it is working on; returns the jobs that were waiting."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        return self._schedule.remove_all()

    def add(self, job: AnyJob) -> None:
        """Queues a job."""
        with self._condition:
            self._schedule.add(job)
            self._condition.notify()

    def remove(self, lease: SlotLease) -> list[AnyJob]:
        """Removes the waiting jobs of a session."""
        with self._condition:
            return self._schedule.remove(lease)

    def remove_all(self) -> list[AnyJob]:
        """Removes all waiting jobs."""
        with self._condition:
            return self._schedule.remove_all()

    # Worker thread

    def _thread_main(self) -> None:
        while not self._stopping:
            try:
                engine = self._make_engine()
                engine.warmup()
                costs = self._measure(engine)
            except Exception:
                logger.exception("building the engine failed; retrying in %.0f s", RESTART_PAUSE)
                with self._condition:
                    self._condition.wait_for(lambda: self._stopping, RESTART_PAUSE)
                continue
            self._thread_notify(self._events.engine_ready, engine, costs)
            self._thread_serve(engine)
            if not self._stopping:
                self._thread_notify(self._events.engine_lost)

    def _thread_serve(self, engine: Engine) -> None:
        """Runs batches until the thread is stopped or the engine has failed `FAILURES_TO_RESTART` times in a row."""
        failures = 0
        while failures < FAILURES_TO_RESTART:
            with self._condition:
                self._condition.wait_for(lambda: self._stopping or len(self._schedule) > 0)
                if self._stopping:
                    return
                began = self._now()
                jobs = self._schedule.take()
            try:
                answers = run_batch(engine, jobs, self._pad)
            except Exception as error:
                failures += not _concerns_one_request(jobs, error)
                failure = self._thread_failure(jobs, error)
                self._thread_notify(self._events.batch_failed, jobs, failure, self._thread_time(jobs, began))
            else:
                failures = 0
                self._thread_notify(self._events.batch_done, answers, self._thread_time(jobs, began))

    def _thread_time(self, jobs: list[AnyJob], began: float) -> float:
        """Records the waiting and run times of a batch; returns the run time in seconds."""
        seconds = self._now() - began
        self.timings.add(jobs[0].kind, max(began - job.submitted for job in jobs), seconds, len(jobs))
        return seconds

    def _thread_failure(self, jobs: list[AnyJob], error: Exception) -> Exception:
        """Return the error for the sessions of a failed batch: a refused control job keeps its own."""
        kind = jobs[0].kind
        if kind is JobKind.CONTROL and is_refusal(error):
            return error
        logger.exception("the %s failed on a batch of %d", kind.value, len(jobs))
        self.failures[kind.value] += 1
        failure: type[StreamingError] = ControlFailed if kind is JobKind.CONTROL else EngineFailure
        return failure(f"the {kind.value} failed")

    def _thread_notify(self, callback: Callable[[*Arguments], None], *args: *Arguments) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args)


def _concerns_one_request(jobs: list[AnyJob], error: Exception) -> bool:
    """True for a control job that stumbled over its own values, which says nothing about the engine."""
    return jobs[0].kind is JobKind.CONTROL and isinstance(error, ValueError)
