"""Makes the modules beside this file (engines, servers and clients for tests) importable from every test.

Two processes share the tests when those that drive a browser are left out; with them there is one, because real time is
measured there.

Matrix products keep to one thread, as in the program itself: where other programs take the processors, a second thread
makes every product wait for its turn.
"""

import os

import pytest

from server.cli import ONE_THREAD

for _name in ONE_THREAD:
    os.environ.setdefault(_name, "1")  # read when NumPy and PyTorch are imported


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Answers `-n auto`: 0 keeps everything in this process."""
    return 2 if "not browser" in config.option.markexpr else 0
