"""Proves that the server raises its priority where allowed, keeps an explicit one, and works without."""

import os
import subprocess
import sys

import pytest

from server import priority

RAISE_PRIORITY = "import os; from server.priority import raise_priority; os.nice(7); print(raise_priority())"


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no priorities")
def test_a_priority_that_was_chosen_is_kept() -> None:
    chosen = os.getpriority(os.PRIO_PROCESS, 0) + 7
    command = [sys.executable, "-c", RAISE_PRIORITY]
    assert int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) == chosen


def test_without_the_permission_everything_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "getpriority", lambda *_: 0)
    monkeypatch.setattr(os, "setpriority", refuse)
    assert priority.raise_priority() == 0


def test_with_the_permission_it_gets_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    priorities = [0]
    monkeypatch.setattr(os, "getpriority", lambda *_: priorities[-1])
    monkeypatch.setattr(os, "setpriority", lambda which, who, priority: priorities.append(priority))
    assert priority.raise_priority() == priority.PRIORITY < 0
    assert priorities == [0, priority.PRIORITY]
