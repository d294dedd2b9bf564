"""Proves that the server raises its priority where allowed, keeps an explicit one, and works without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import priority

RAISE_PRIORITY = "import os; from server.priority import raise_priority; os.nice(7); print(raise_priority())"


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no priorities")
def test_a_priority_that_was_chosen_is_kept() -> None:
    chosen = os.getpriority(os.PRIO_PROCESS, 0) + 7
    command = [sys.executable, "-c", RAISE_PRIORITY]
    assert int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) == chosen


@pytest.fixture(autouse=True)
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the kernel's file, and keeps the priority of the tests' own session."""
    path = tmp_path / "autogroup"
    path.write_text("/autogroup-12 nice 0\n")
    monkeypatch.setattr(priority, "AUTOGROUP", path)
    monkeypatch.setattr(priority.atexit, "register", lambda restore: None)
    return path


def test_without_the_permission_everything_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "getpriority", lambda *_: 0)
    monkeypatch.setattr(os, "setpriority", refuse)
    assert priority.raise_priority() == 0


def test_with_the_permission_it_gets_priority(monkeypatch: pytest.MonkeyPatch, session: Path) -> None:
    priorities = [0]
    monkeypatch.setattr(os, "getpriority", lambda *_: priorities[-1])
    monkeypatch.setattr(os, "setpriority", lambda which, who, priority: priorities.append(priority))
    assert priority.raise_priority() == priority.PRIORITY < 0
    assert priorities == [0, priority.PRIORITY]
    assert session.read_text() == str(priority.PRIORITY)


@pytest.mark.parametrize("told", ["/autogroup-12 nice 5\n", "/autogroup-12 nice -10\n", ""])
def test_a_priority_of_the_session_that_was_chosen_is_kept(session: Path, told: str) -> None:
    session.write_text(told)
    priority._raise_session()
    assert session.read_text() == told


def test_the_priority_of_the_session_is_restored_at_the_end(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_exit = []
    monkeypatch.setattr(priority.atexit, "register", at_exit.append)
    priority._raise_session()
    (restore,) = at_exit
    restore()
    assert session.read_text() == "0"


def test_without_sessions_nothing_is_raised(session: Path) -> None:
    session.unlink()
    priority._raise_session()
    assert not session.exists()
