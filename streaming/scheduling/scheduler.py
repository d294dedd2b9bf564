"""Which jobs run next, and in which company.

Pure. The earliest deadline is taken, jobs of the same kind join it into a batch. A deadline orders and nothing else: a
session waits for one frame at a time, so there is never a newer one that would make an overdue one worthless.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np

from streaming.engine import Engine
from streaming.media import MotionFrame
from streaming.scheduling.slots import SlotLease

MAX_BATCH: Final = 32


class JobKind(Enum):
    """What a job asks of the engine; the value is its name in the metrics."""

    RECOGNIZE = "recogniser"
    DECODE = "decoder"
    RENDER = "renderer"
    CONTROL = "control"


@dataclass(slots=True, eq=False)
class Job:
    """One session's part of a batch. ``payload`` depends on the kind; ``deliver`` gets the result or an exception."""

    kind: JobKind
    lease: SlotLease
    payload: Any
    deadline: float
    deliver: Callable[[Any], None]
    submitted: float


class Schedule:
    """The jobs that wait for the device."""

    def __init__(self, max_batch: int = MAX_BATCH) -> None:
        self._max_batch = max_batch
        self._jobs: list[Job] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        self._jobs.append(job)

    def take(self) -> list[Job]:
        """Removes and returns the next batch: jobs of one kind, at most one per slot."""
        batch: list[Job] = []
        waiting: list[Job] = []
        slots: set[int] = set()
        for job in sorted(self._jobs, key=lambda job: job.deadline):
            if not batch or self._joins(batch, job, slots):
                batch.append(job)
                slots.add(job.lease.slot)
            else:
                waiting.append(job)
        self._jobs = waiting
        return batch

    def _joins(self, jobs: list[Job], job: Job, slots: set[int]) -> bool:
        return (
            job.kind is jobs[0].kind
            and job.kind is not JobKind.CONTROL
            and job.lease.slot not in slots
            and len(jobs) < self._max_batch
        )

    def remove(self, lease: SlotLease) -> list[Job]:
        """Takes out the jobs of a session that has ended."""
        removed = [job for job in self._jobs if job.lease == lease]
        self._jobs = [job for job in self._jobs if job.lease != lease]
        return removed

    def remove_all(self) -> list[Job]:
        """Empties the schedule, for a worker that stops or starts anew."""
        jobs, self._jobs = self._jobs, []
        return jobs


def run_batch(engine: Engine, jobs: list[Job], pad: bool = False) -> list[Any]:
    """Runs jobs of one kind on the engine in one call; the results are in the order of the jobs.

    With ``pad``, stateless kinds are filled up to the next power of two by repeating the last job, so that a device
    that prepares its work per shape sees six shapes only.
    """
    kind = jobs[0].kind
    if kind is JobKind.CONTROL:
        return [jobs[0].payload(engine)]
    rows = len(jobs)
    if pad and kind is JobKind.RENDER:
        jobs = jobs + [jobs[-1]] * ((1 << (rows - 1).bit_length()) - rows)
    slots = [job.lease.slot for job in jobs]
    if kind is JobKind.RECOGNIZE:
        results: Any = engine.recognize(slots, [job.payload for job in jobs])
    elif kind is JobKind.DECODE:
        results = engine.decode(slots, np.stack([job.payload for job in jobs]))
    else:
        motion: list[MotionFrame] = [job.payload for job in jobs]
        results = engine.render(
            slots,
            np.stack([frame.expression for frame in motion]),
            np.stack([frame.pose for frame in motion]),
            np.stack([frame.gaze for frame in motion]),
            np.array([frame.blink for frame in motion], dtype=np.float32),
        )
    return list(results[:rows])
