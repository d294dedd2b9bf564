"""Busy loops that load the CPU during a measurement, at normal priority.

Runs on: separate processes, pinned to the cores in turn.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LOOP = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {int(sys.argv[1])})
print("busy", flush=True)
while True:
    pass
"""


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Runs ``count`` busy loops during the block."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    loops = [
        subprocess.Popen([sys.executable, "-c", _LOOP, str(cores[k % len(cores)])], stdout=subprocess.PIPE)
        for k in range(count)
    ]
    try:
        for loop in loops:
            assert loop.stdout is not None
            loop.stdout.readline()  # started
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.communicate()
