"""How soon the server's threads get a processor when other programs want it too.

Runs on: the thread that starts all others, which inherit what is set here. The event loop and the model thread need
less than a processor together, but need it on time. One priority for all of them: a model thread that has to stand
back while it holds the interpreter keeps the event loop waiting with it. How long one thread may keep the interpreter
stays Python's 5 ms: a tenth of that costs some processor time and shortened no block of the loop.
"""

import os

PRIORITY = -5
"""Where the system allows it, which takes root, CAP_SYS_NICE or a limit such as systemd's LimitNICE; 0 is usual."""


def raise_priority() -> int:
    """Puts this thread, and those that it starts, before other programs; who has chosen a priority keeps it.

    Returns:
        The priority from now on; 0 where the system does not allow another.
    """
    if not hasattr(os, "setpriority"):
        return 0
    if os.getpriority(os.PRIO_PROCESS, 0) == 0:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        except OSError:
            return 0
    return os.getpriority(os.PRIO_PROCESS, 0)


ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The matrices of a frame are small: a second thread per product waits longer than it works, live above all."""
