"""Event loop monitor that separates blocking by the program from delays due to a busy machine.

Runs on: event loop, as a task that repeatedly sleeps for a few milliseconds. A separate bystander process repeats a
small fixed task; if that takes ten times its usual CPU time, the machine is ten times slower, as virtual machines are
when their host is busy.
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
"""Maximum time for which the event loop may be blocked."""
PIECE_OF_WORK = 6_000
"""Numbers that the bystander adds up per task: about 0.2 ms."""


class ProcessorWait:
    """Seconds for which the calling thread has been runnable but not running, since it started.

    Always 0 on systems that do not report it; then all waiting is attributed to the program.
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
    """Measures the speed of the machine in a separate process; ``samples`` are available after it has ended.

    Attributes:
        samples: (n, 2) time on the monotonic clock and CPU time of one task at that time, both in seconds.
    """

    def __init__(self) -> None:
        self.samples: NDArray[np.float64] = np.zeros((0, 2))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Runs the bystander process during the block."""
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
    """Records the delay of every short sleep on the event loop, in seconds.

    The records are kept in a flat array: a hundred thousand small objects would distort the measured memory and garbage
    collection.

    Args:
        now: monotonic clock.
        worked: CPU time of the loop's thread.
        make_waited: called on the loop's thread; returns a function that gives the thread's time waiting for a CPU.
        sleep: coroutine function that sleeps for the given seconds.
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
        """Per sleep: start relative to the first one, delay, CPU time and time waiting for a CPU."""

    async def run(self) -> None:
        """Monitors the running loop until cancelled."""
        waited = self._make_waited()
        self._first = self._now()
        while True:
            began, worked_before, waited_before = self._now(), self._worked(), waited()
            await self._sleep(NAP_SECONDS)
            late = max(0.0, self._now() - began - NAP_SECONDS)
            work, wait = self._worked() - worked_before, waited() - waited_before
            self._naps.extend((began - self._first, late, work, wait))

    def figures(self, bystander: NDArray[np.float64]) -> dict[str, float]:
        """Statistics of the delays of all sleeps and their causes, in ms.

        ``loop_block``: the whole delay. ``loop_own``: the part caused by the program, which is work of the loop and
        waiting for the interpreter lock; without the time in which the thread waited for a CPU, and scaled to the usual
        speed of the machine. ``loop_cpu``: CPU time of the loop as the system reports it, not scaled.

        Args:
            bystander: `Bystander.samples`.
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
    """Returns the bystander's slowdown from ``began`` to ``ended``, relative to its usual time; at least 1."""
    during = (bystander[:, 0] >= began) & (bystander[:, 0] <= ended)
    if not during.any():
        return 1.0
    return max(1.0, float(bystander[during, 1].mean() / np.median(bystander[:, 1])))
