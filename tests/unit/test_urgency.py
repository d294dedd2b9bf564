"""Proves that the server comes before other programs where it may, keeps a chosen priority, and works without."""

import os
import subprocess
import sys

import pytest

from server import urgency

COME_FIRST = (
    "import os, sys; from server.urgency import come_first; os.nice({}); print(come_first(), sys.getswitchinterval())"
)


def outcome(niceness: int) -> tuple[int, float]:
    """Priority and switch interval of a process of its own, started as much less urgent."""
    command = [sys.executable, "-c", COME_FIRST.format(niceness)]
    priority, interval = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(priority), float(interval)


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no priorities")
def test_a_priority_that_was_chosen_is_kept() -> None:
    chosen = os.getpriority(os.PRIO_PROCESS, 0) + 7
    assert outcome(7) == (chosen, pytest.approx(urgency.SWITCH_SECONDS))


def test_without_the_permission_everything_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    interval = sys.getswitchinterval()
    monkeypatch.setattr(os, "getpriority", lambda *_: 0)
    monkeypatch.setattr(os, "setpriority", refuse)
    try:
        assert urgency.come_first() == 0
        assert sys.getswitchinterval() == pytest.approx(urgency.SWITCH_SECONDS)
    finally:
        sys.setswitchinterval(interval)


def test_with_the_permission_it_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    priorities = [0]
    interval = sys.getswitchinterval()
    monkeypatch.setattr(os, "getpriority", lambda *_: priorities[-1])
    monkeypatch.setattr(os, "setpriority", lambda which, who, priority: priorities.append(priority))
    try:
        assert urgency.come_first() == urgency.PRIORITY < 0
    finally:
        sys.setswitchinterval(interval)
    assert priorities == [0, urgency.PRIORITY]
