"""Scheduling priority of the server's threads.

Runs on: the main thread; all other threads inherit the priority. The event loop and the model thread together need
less than one core, but need it on time. All threads share one priority: a model thread that is preempted while it
holds the GIL blocks the event loop as well. The GIL switch interval stays at Python's 5 ms: 0.5 ms costs some CPU time
and shortened no block of the loop.

Linux with autogroups, the default of most distributions, first shares the CPU equally between terminal sessions; nice
values count only within one. The nice value of the session itself is therefore raised as well, until the process ends.
"""

import atexit
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

PRIORITY = -5
"""Nice value of the server; needs root, CAP_SYS_NICE or a limit such as systemd's LimitNICE. The default is 0."""
AUTOGROUP: Final = Path("/proc/self/autogroup")
"""Of Linux; like "/autogroup-12 nice 0"."""


def raise_priority() -> int:
    """Raises the priority of this thread and those that it starts, unless a priority has already been set.

    Returns:
        The resulting nice value; 0 where the system does not allow a change.
    """
    if not hasattr(os, "setpriority"):
        return 0
    if os.getpriority(os.PRIO_PROCESS, 0) == 0:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        except OSError:
            return 0
        _raise_session()
    return os.getpriority(os.PRIO_PROCESS, 0)


def _raise_session() -> None:
    """Raises the nice value of this process's session, unless one has been set, and restores it at exit."""
    with suppress(OSError):
        if re.search(r" nice 0$", AUTOGROUP.read_text().strip()):
            AUTOGROUP.write_text(str(PRIORITY))
            atexit.register(_restore_session)


def _restore_session() -> None:
    with suppress(OSError):
        AUTOGROUP.write_text("0")


ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The matrices of a frame are small: a second thread per product waits longer than it works."""
