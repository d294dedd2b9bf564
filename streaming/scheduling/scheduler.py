"""Earliest-deadline-first batch scheduler.

Pure. The job with the earliest deadline is taken, and jobs of the same kind are batched with it. Deadlines only order
jobs; overdue jobs still run, because a session waits for one frame at a time and no newer one can replace it.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from streaming.engine import Engine, RecognizedHops
from streaming.scheduling.jobs import (
    Answer,
    AnyAnswer,
    AnyJob,
    ControlJob,
    DecodeJob,
    Job,
    JobKind,
    RecognizeJob,
    RenderJob,
    Result,
)
from streaming.scheduling.slots import SlotLease

MAX_BATCH: Final = 32
Kind = TypeVar("Kind", RecognizeJob, DecodeJob, RenderJob)


class Schedule:
    """Pending jobs of one device."""

    def __init__(self, max_batch: int = MAX_BATCH) -> None:
        self._max_batch = max_batch
        self._jobs: list[AnyJob] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: AnyJob) -> None:
        self._jobs.append(job)

    def take(self) -> list[AnyJob]:
        """Removes and returns the next batch: jobs of one kind, at most one per slot."""
        batch: list[AnyJob] = []
        waiting: list[AnyJob] = []
        slots: set[int] = set()
        for job in sorted(self._jobs, key=lambda job: job.deadline):
            if not batch or self._joins(batch, job, slots):
                batch.append(job)
                slots.add(job.lease.slot)
            else:
                waiting.append(job)
        self._jobs = waiting
        return batch

    def _joins(self, jobs: list[AnyJob], job: AnyJob, slots: set[int]) -> bool:
        return (
            job.kind is jobs[0].kind
            and job.kind is not JobKind.CONTROL
            and job.lease.slot not in slots
            and len(jobs) < self._max_batch
        )

    def remove(self, lease: SlotLease) -> list[AnyJob]:
        """Removes the jobs of a session that has ended."""
        removed = [job for job in self._jobs if job.lease == lease]
        self._jobs = [job for job in self._jobs if job.lease != lease]
        return removed

    def remove_all(self) -> list[AnyJob]:
        """Empties the schedule, when the worker stops or restarts."""
        jobs, self._jobs = self._jobs, []
        return jobs


def run_batch(engine: Engine, jobs: Sequence[AnyJob], pad: bool = False) -> Sequence[AnyAnswer]:
    """Runs jobs of one kind on the engine in one call; the answers are in the order of the jobs.

    With ``pad``, batches of stateless kinds are padded to the next power of two by repeating the last job, so that a
    device that compiles per shape sees only six shapes.
    """
    first = jobs[0]
    if isinstance(first, ControlJob):
        first.operation(engine)
        return [Answer(first, None)]
    if isinstance(first, RecognizeJob):
        return _recognize(engine, _alike(jobs, RecognizeJob))
    if isinstance(first, DecodeJob):
        return _decode(engine, _alike(jobs, DecodeJob))
    return render_batch(engine, _alike(jobs, RenderJob), pad)


def _recognize(engine: Engine, jobs: list[RecognizeJob]) -> list[Answer[RecognizedHops]]:
    return _answers(jobs, engine.recognize(_slots(jobs), [job.audio for job in jobs]))


def _decode(engine: Engine, jobs: list[DecodeJob]) -> list[Answer[NDArray[np.float32]]]:
    return _answers(jobs, engine.decode(_slots(jobs), np.stack([job.window for job in jobs])))


def render_batch(engine: Engine, jobs: list[RenderJob], pad: bool = False) -> list[Answer[NDArray[np.uint8]]]:
    """Renders the frames of all jobs in one call; ``pad`` as for `run_batch`."""
    rows = len(jobs)
    padded = jobs + [jobs[-1]] * ((1 << (rows - 1).bit_length()) - rows) if pad else jobs
    images = engine.render(
        _slots(padded),
        np.stack([job.motion.expression for job in padded]),
        np.stack([job.motion.pose for job in padded]),
        np.stack([job.motion.gaze for job in padded]),
        np.array([job.motion.blink for job in padded], dtype=np.float32),
        [job.motion.tick for job in padded],
    )
    return _answers(jobs, images[:rows])


def _alike(jobs: Sequence[AnyJob], kind: type[Kind]) -> list[Kind]:
    """The jobs of a kind, which are all of a batch."""
    return [job for job in jobs if isinstance(job, kind)]


def _slots(jobs: Sequence[AnyJob]) -> list[int]:
    return [job.lease.slot for job in jobs]


def _answers(jobs: Sequence[Job[Result]], results: Iterable[Result]) -> list[Answer[Result]]:
    return [Answer(job, result) for job, result in zip(jobs, results, strict=True)]
