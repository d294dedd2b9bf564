"""Monitor of event loop delays that separates the program's own blocking from that of a busy machine.

Runs on: event loop, as a task that sleeps for a few milliseconds again and again; a bystander in a process of its own
does the same small piece of work again and again. When that takes ten times the usual processor time, the machine runs
ten times slower, as virtual ones do when their host is busy.
"""

import asyncio
import multiprocessing
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from streaming.clock import monotonic

NAP_SECONDS = 0.005
MAX_BLOCK_SECONDS = 0.020
"""Seconds; the event loop is to be free again within this time."""
PIECE_OF_WORK = 6_000
"""Numbers to add up: a fifth of a millisecond."""


class ProcessorWait:
    """Seconds for which the calling thread was ready to run while others had the processors, since it began.

    Always 0 where the system does not tell: then all waiting counts as the program's own.
    """

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        with suppress(OSError):
            self._file = Path("/proc/thread-self/schedstat").open("rb", buffering=0)  # noqa: SIM115 - read often

    def __call__(self) -> float:
        if self._file is None:
            return 0.0
        self._file.seek(0)
        return int(self._file.read().split()[1]) / 1e9


class Bystander:
    """Measures the speed of the machine in the meantime; ``samples`` are available when it has ended.

    Attributes:
        samples: (n, 2) moment on the steady clock, processor time in seconds of a piece of work done then.
    """

    def __init__(self) -> None:
        self.samples: NDArray[np.float64] = np.zeros((0, 2))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Looks on in a process of its own."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_look_on, args=(theirs,), daemon=True)
        process.start()
        ours.recv()
        try:
            yield
        finally:
            ours.send(None)
            self.samples = np.frombuffer(ours.recv_bytes()).reshape(-1, 2)
            process.join()


def _look_on(parent: Connection) -> None:
    samples = array("d")
    parent.send(None)  # ready
    while not parent.poll(NAP_SECONDS):
        began = time.thread_time()
        sum(range(PIECE_OF_WORK))
        samples.extend((monotonic(), time.thread_time() - began))
    parent.send_bytes(samples.tobytes())


class LoopMonitor:
    """Notes how every nap of the event loop went, in seconds.

    Kept as bare numbers: a hundred thousand small objects would be memory, and work for the garbage collector, of the
    measurement.

    Args:
        now: a steady clock.
        worked: processor time of the loop's thread.
        make_waited: called on the loop's thread; gives what tells for how long the thread waited for a processor.
        sleep: takes a nap.
    """

    def __init__(
        self,
        now: Callable[[], float] = monotonic,
        worked: Callable[[], float] = time.thread_time,
        make_waited: Callable[[], Callable[[], float]] = ProcessorWait,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._worked = worked
        self._make_waited = make_waited
        self._sleep = sleep
        self._first = 0.0
        self._naps = array("f")
        """Of each: when it began, counted from the first one, lateness, work and wait."""

    async def run(self) -> None:
        """Watches the running loop until it is cancelled."""
        waited = self._make_waited()
        self._first = self._now()
        while True:
            began, worked_before, waited_before = self._now(), self._worked(), waited()
            await self._sleep(NAP_SECONDS)
            late = max(0.0, self._now() - began - NAP_SECONDS)
            work, wait = self._worked() - worked_before, waited() - waited_before
            self._naps.extend((began - self._first, late, work, wait))

    def figures(self, bystander: NDArray[np.float64]) -> dict[str, float]:
        """Of all naps, in ms: by how much they were too long, and what it was.

        ``loop_block``: everything. ``loop_own``: the program's own doing, that is without the time in which the loop
        could have run had other threads and programs not had the processors, and as long as it would have taken on a
        machine of the usual speed; work of the loop and waiting for the interpreter. ``loop_cpu``: the loop's own work
        by the system's account, which counts what a slow machine adds.

        Args:
            bystander: (n, 2) moments and processor time in seconds of the same piece of work.
        """
        began, late, work, wait = np.array(self._naps, np.float64).reshape(-1, 4).T
        began += self._first
        own = late - np.minimum(wait, late)
        for nap in np.flatnonzero(own > MAX_BLOCK_SECONDS / 2):
            own[nap] /= slowness(bystander, began[nap], began[nap] + NAP_SECONDS + late[nap])
        return {
            "loop_block_p99_ms": round(float(np.percentile(late, 99)) * 1000, 2),
            "loop_block_max_ms": round(float(late.max()) * 1000, 2),
            "loop_own_max_ms": round(float(own.max()) * 1000, 2),
            "loop_cpu_max_ms": round(float(work.max()) * 1000, 2),
            "loop_processor_wait_max_ms": round(float(wait.max()) * 1000, 2),
            "loop_blocks_over_20_ms": int((late > MAX_BLOCK_SECONDS).sum()),
            "loop_own_over_20_ms": int((own > MAX_BLOCK_SECONDS).sum()),
        }


def slowness(bystander: NDArray[np.float64], began: float, ended: float) -> float:
    """Return the bystander's slowdown from ``began`` to ``ended``, relative to its usual time; at least 1."""
    during = (bystander[:, 0] >= began) & (bystander[:, 0] <= ended)
    if not during.any():
        return 1.0
    return max(1.0, float(bystander[during, 1].mean() / np.median(bystander[:, 1])))
