"""Timing statistics of the pipeline stages.

Pure. The worker thread writes; any thread may read.
"""

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np

from streaming.scheduling.jobs import JobKind

TIMINGS_KEPT = 512


@dataclass(frozen=True, slots=True)
class StageTiming:
    """Wait and run time per batch of one job kind, in milliseconds, and the mean number of jobs per batch."""

    wait_p50: float
    run_p50: float
    run_p95: float
    run_p99: float
    batch: float


class StageTimings:
    """Timings of the last `TIMINGS_KEPT` batches of each job kind."""

    def __init__(self) -> None:
        self._rows: dict[JobKind, deque[tuple[float, float, int]]] = defaultdict(lambda: deque(maxlen=TIMINGS_KEPT))

    def add(self, kind: JobKind, wait: float, run: float, jobs: int) -> None:
        """Records a batch of ``jobs`` jobs; ``wait`` and ``run`` in seconds."""
        self._rows[kind].append((wait, run, jobs))

    def summary(self) -> dict[str, StageTiming]:
        """Return the statistics by job kind."""
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
