"""Proves the values read from control groups and system statistics."""

import math
from pathlib import Path

import pytest

from server.processors import SpareProcessors, available_cores, idle_ticks, limit_v1, limit_v2, quota


@pytest.mark.parametrize(
    ("text", "cores"),
    [("50000 100000\n", 0.5), ("max 100000\n", math.inf), ("250000 100000", 2.5), ("", math.inf), ("junk", math.inf)],
)
def test_the_limit_of_version_2(text: str, cores: float) -> None:
    assert limit_v2(text) == cores


@pytest.mark.parametrize(
    ("texts", "cores"),
    [(("50000\n", "100000\n"), 0.5), (("-1\n", "100000\n"), math.inf), (("", ""), math.inf), (("5", "0"), math.inf)],
)
def test_the_limit_of_version_1(texts: tuple[str, str], cores: float) -> None:
    assert limit_v1(*texts) == cores


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_strictest_group_around_the_process_counts(tmp_path: Path) -> None:
    written(tmp_path / "pod" / "cpu.max", "150000 100000")
    written(tmp_path / "pod" / "box" / "cpu.max", "max 100000")
    assert quota(tmp_path, "0::/pod/box\n") == 1.5
    assert quota(tmp_path, "0::/elsewhere\n") == math.inf
    written(tmp_path / "cpu.max", "50000 100000")  # a container that sees its own group as the root
    assert quota(tmp_path, "0::/pod/box\n") == 0.5


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_groups_of_version_1_are_read_where_they_are_mounted(tmp_path: Path, mount: str) -> None:
    written(tmp_path / mount / "docker" / "cpu.cfs_quota_us", "75000\n")
    written(tmp_path / mount / "docker" / "cpu.cfs_period_us", "100000\n")
    assert quota(tmp_path, f"4:memory:/docker\n3:{mount}:/docker\n") == 0.75
    assert quota(tmp_path, "4:memory:/docker\n") == math.inf


def test_this_machine_has_some() -> None:
    assert 0 < available_cores() < 10_000


STATISTICS = "cpu  100 0 100 {idle} 0 0 0 {stolen} 0 0\ncpu0 1 2 3 4\n"


def test_spare_processors_are_those_that_were_idle_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    text, moment = STATISTICS.format(idle=1_000, stolen=0), 0.0
    spare = SpareProcessors(lambda: text, lambda: moment)
    assert spare() is None
    text, moment = STATISTICS.format(idle=1_050, stolen=150), 0.2
    assert spare() is None, "too soon"
    moment = 0.5
    assert spare() == 1.0
    text, moment = STATISTICS.format(idle=1_050, stolen=350), 1.0
    assert spare() == 0.0


def test_where_the_system_says_nothing_nothing_is_known() -> None:
    moment = 0.0
    spare = SpareProcessors(lambda: "", lambda: moment)
    moment = 9.0
    assert spare() is None and idle_ticks("intr 5") is None
