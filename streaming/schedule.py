"""Which jobs run next, and when there are too many of them.

Pure: time is an argument. The earliest deadline is taken, jobs of the same kind join it into a batch, expired jobs
never reach the device. The overload ladder turns the outcome into a level: 0 all well, 1 half the video rate,
2 no new sessions either. Sound is never delayed.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import numpy as np

from streaming.engine import Engine
from streaming.media import MotionFrame

MAX_BATCH: Final = 32
LADDER_TOP: Final = 2


class JobKind(Enum):
    """What a job asks of the engine; the value is its name in the metrics."""

    RECOGNIZE = "recogniser"
    DECODE = "decoder"
    RENDER = "renderer"
    CONTROL = "control"


EXPIRING = frozenset({JobKind.DECODE, JobKind.RENDER})
"""Kinds that are worthless after their deadline; the others carry state and always run."""


@dataclass(frozen=True, slots=True)
class SlotLease:
    """The right to use ``slot`` until it is released; a result of an older generation is thrown away."""

    slot: int
    generation: int


@dataclass(slots=True, eq=False)
class Job:
    """One session's part of a batch. ``payload`` depends on the kind; ``deliver`` gets the result or an exception."""

    kind: JobKind
    lease: SlotLease
    payload: Any
    deadline: float
    deliver: Callable[[Any], None]
    submitted: float


@dataclass(slots=True)
class Batch:
    """``jobs`` of one kind, at most one per slot; ``expired`` jobs were found on the way and only need telling."""

    jobs: list[Job] = field(default_factory=list)
    expired: list[Job] = field(default_factory=list)


class Schedule:
    """The jobs that wait for the device."""

    def __init__(self, max_batch: int = MAX_BATCH) -> None:
        self._max_batch = max_batch
        self._jobs: list[Job] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        self._jobs.append(job)

    def take(self, now: float) -> Batch:
        """Removes and returns the next batch; without jobs when nothing but expired ones was waiting."""
        batch = Batch()
        waiting: list[Job] = []
        slots: set[int] = set()
        for job in sorted(self._jobs, key=lambda job: job.deadline):
            if job.kind in EXPIRING and job.deadline < now:
                batch.expired.append(job)
            elif not batch.jobs or self._joins(batch.jobs, job, slots):
                batch.jobs.append(job)
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


@dataclass(slots=True)
class OverloadLadder:
    """Climbs when more than a quarter of the last two seconds' frames were late, descends after five good seconds.

    ``descend_below`` is the busy share of the device under which the next lower level would still fit: leaving half
    rate doubles the load.
    """

    window: float = 2.0
    recovery: float = 5.0
    late_share: float = 0.25
    fewest: int = 20
    descend_below: tuple[float, float] = (0.4, 0.85)
    level: int = 0
    _outcomes: deque[tuple[float, bool]] = field(default_factory=deque)
    _busy: deque[tuple[float, float]] = field(default_factory=deque)
    _changed: float = float("-inf")
    _last_late: float = float("-inf")

    def ran(self, now: float, seconds: float) -> None:
        """The device was busy for ``seconds`` up to ``now``."""
        self._busy.append((now, seconds))
        while self._busy and self._busy[0][0] <= now - self.window:
            self._busy.popleft()

    def frame(self, now: float, late: bool) -> None:
        """A frame was made in time or was ``late``; adjusts the level."""
        self._outcomes.append((now, late))
        while self._outcomes[0][0] <= now - self.window:
            self._outcomes.popleft()
        if late:
            self._last_late = now
        share = sum(late for _, late in self._outcomes) / len(self._outcomes)
        if len(self._outcomes) >= self.fewest and share > self.late_share:
            if self.level < LADDER_TOP:
                self._step(now, +1)
        elif (
            self.level
            and now - max(self._changed, self._last_late) > self.recovery
            and self.busy_share < self.descend_below[self.level - 1]
        ):
            self._step(now, -1)

    @property
    def busy_share(self) -> float:
        """Share of the last window in which the device was at work."""
        return sum(seconds for _, seconds in self._busy) / self.window

    def _step(self, now: float, by: int) -> None:
        self.level += by
        self._changed = now
        self._outcomes.clear()
