"""Makes the modules in this folder (engines, servers and clients for tests) importable from every test.

Without the browser tests, the tests run in two processes; with them in one, because they measure real time.

Hypothesis draws the same examples every time and measures no time: what is red is red again.

Matrix products use one thread, as in the program itself: on a busy machine, a second thread would delay every product.

`--without-lab` runs the tests for an installation without the `lab` extra: see `without_lab/hidden_lab.py`.
"""

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from server.priority import ONE_THREAD

for _name in ONE_THREAD:
    os.environ.setdefault(_name, "1")  # read when NumPy and PyTorch are imported

hypothesis.settings.load_profile("ci")
RECORDED = pytest.StashKey[dict[str, Any]]()
"""`real_time.Crowding` during the latest setup of each fixture of a module."""
TESTS = Path(__file__).parent
WITHOUT_LAB = str(TESTS / "without_lab")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--without-lab`."""
    parser.addoption("--without-lab", action="store_true", help="hide the extra `lab`; leave its tests out")


def pytest_configure(config: pytest.Config) -> None:
    """Hides the laboratory from this process and from those that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    if config.option.without_lab:
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([WITHOUT_LAB, *filter(None, paths)]))
        sys.path.insert(0, WITHOUT_LAB)
        from hidden_lab import hide

        hide()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skips the `lab` tests if the extra is hidden."""
    if config.option.without_lab:
        from hidden_lab import needs_lab

        return needs_lab(collection_path, TESTS) or None
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the tests that measure real time, and leaves those out that need a laboratory which is hidden."""
    from real_time import is_real_time

    if config.option.without_lab:
        hidden = [item for item in items if item.get_closest_marker("lab")]
        config.hook.pytest_deselected(items=hidden)
        items[:] = [item for item in items if item not in hidden]

    for item in items:
        if is_real_time(item.path):
            item.add_marker("real_time")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Skips those that fail because other programs have taken the machine, see `real_time.py`."""
    from real_time import on_a_quiet_machine

    if pyfuncitem.get_closest_marker("real_time") is None:
        return (yield)
    module = pyfuncitem.getparent(pytest.Module)
    with on_a_quiet_machine(shared=module.stash.get(RECORDED, {}).values() if module else ()):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Watches the machine also while a recording is made that the tests of a module share."""
    from real_time import crowding, is_real_time

    if fixturedef.scope != "module" or not is_real_time(request.path):
        return (yield)
    with crowding() as seen:
        made = yield
    request.node.stash.setdefault(RECORDED, {})[fixturedef.argname] = seen
    return made


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Answers `-n auto`: 0 keeps everything in this process."""
    return 2 if "not browser" in config.option.markexpr else 0
