"""Makes the modules beside this file (engines, servers and clients for tests) importable from every test.

Two processes share the tests when those that drive a browser are left out; with them there is one, because real time is
measured there.
"""

import pytest


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Answers `-n auto`: 0 keeps everything in this process."""
    return 2 if "not browser" in config.option.markexpr else 0
