"""Makes the modules beside this file (engines, servers and clients for tests) importable from every test.

Two processes share the tests when those that drive a browser are left out; with them there is one, because real time is
measured there.

Matrix products keep to one thread, as in the program itself: where other programs take the processors, a second thread
makes every product wait for its turn.
"""

import os
from collections.abc import Generator

import pytest

from server.priority import ONE_THREAD

for _name in ONE_THREAD:
    os.environ.setdefault(_name, "1")  # read when NumPy and PyTorch are imported


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that measure real time."""
    from real_time import is_real_time

    for item in items:
        if is_real_time(item.path):
            item.add_marker("real_time")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Skips those that fail because other programs have taken the machine, see `real_time.py`."""
    from real_time import on_a_quiet_machine

    if pyfuncitem.get_closest_marker("real_time") is None:
        return (yield)
    with on_a_quiet_machine():
        return (yield)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Answers `-n auto`: 0 keeps everything in this process."""
    return 2 if "not browser" in config.option.markexpr else 0
