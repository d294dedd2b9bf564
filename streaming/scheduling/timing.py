"""How long the stages of the pipeline take.

Pure. The worker thread adds, anybody may read.
"""

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np

from streaming.scheduling.jobs import JobKind

TIMINGS_KEPT = 512


@dataclass(frozen=True, slots=True)
class StageTiming:
    """Milliseconds of one kind of job: waiting for the device and running on it, per batch; mean jobs per batch."""

    wait_p50: float
    run_p50: float
    run_p95: float
    run_p99: float
    batch: float


class StageTimings:
    """The newest `TIMINGS_KEPT` batches of each kind of job."""

    def __init__(self) -> None:
        self._rows: dict[JobKind, deque[tuple[float, float, int]]] = defaultdict(lambda: deque(maxlen=TIMINGS_KEPT))

    def add(self, kind: JobKind, wait: float, run: float, jobs: int) -> None:
        """One batch of ``jobs`` has waited and run for so many seconds."""
        self._rows[kind].append((wait, run, jobs))

    def summary(self) -> dict[str, StageTiming]:
        """By the kind's name."""
        result = {}
        for kind, rows in list(self._rows.items()):
            wait, run, size = np.array(list(rows)).T
            result[kind.value] = StageTiming(
                float(np.median(wait)) * 1000,
                float(np.median(run)) * 1000,
                float(np.percentile(run, 95)) * 1000,
                float(np.percentile(run, 99)) * 1000,
                float(size.mean()),
            )
        return result
