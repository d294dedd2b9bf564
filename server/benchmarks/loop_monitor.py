"""How long the event loop lets its callers wait, and why: its own work, the interpreter, or a processor.

Runs on: event loop, as a task that sleeps for a few milliseconds again and again.
"""

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from streaming.clock import monotonic

NAP_SECONDS = 0.005
LONGEST_BLOCK = 0.020
"""Seconds; the event loop is to be free again within this time."""


class ProcessorWait:
    """Seconds for which the calling thread was ready to run while others had the processors, since it began.

    Always 0 where the system does not tell: then all waiting counts as the program's own.
    """

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        with suppress(OSError):
            self._file = Path("/proc/thread-self/schedstat").open("rb", buffering=0)  # noqa: SIM115 - read again and again

    def __call__(self) -> float:
        if self._file is None:
            return 0.0
        self._file.seek(0)
        return int(self._file.read().split()[1]) / 1e9


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
        self._late = array("d")
        self._work = array("d")
        self._wait = array("d")

    async def run(self) -> None:
        """Watches the running loop until it is cancelled."""
        waited = self._make_waited()
        while True:
            began, worked_before, waited_before = self._now(), self._worked(), waited()
            await self._sleep(NAP_SECONDS)
            self._late.append(max(0.0, self._now() - began - NAP_SECONDS))
            self._work.append(self._worked() - worked_before)
            self._wait.append(waited() - waited_before)

    def figures(self) -> dict[str, float]:
        """Of all naps, in ms: by how much they were too long, and what it was.

        ``loop_block``: everything. ``loop_own``: without the time in which the loop could have run, had other threads
        or programs not had all processors. ``loop_cpu``: the loop's own work. What ``loop_own`` has beyond that was
        waiting for the interpreter, or for a timer that came late.
        """
        late, wait = np.array(self._late), np.array(self._wait)
        own = late - np.minimum(wait, late)
        return {
            "loop_block_p99_ms": round(float(np.percentile(late, 99)) * 1000, 2),
            "loop_block_max_ms": round(float(late.max()) * 1000, 2),
            "loop_own_max_ms": round(float(own.max()) * 1000, 2),
            "loop_cpu_max_ms": round(max(self._work) * 1000, 2),
            "loop_processor_wait_max_ms": round(float(wait.max()) * 1000, 2),
            "loop_blocks_over_20_ms": int((late > LONGEST_BLOCK).sum()),
        }
