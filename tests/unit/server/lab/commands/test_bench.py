"""`styletalk bench all` reports failures without losing other results, and records the origin of each result."""

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from server.lab.benchmarks import quality, run_all
from server.lab.commands.bench import BENCHMARKS
from styletalk_core.errors import InputError


def test_every_benchmark_that_it_runs_exists() -> None:
    assert {words[0] for words in run_all.RUNS.values()} < set(BENCHMARKS)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the benchmarks are going to report, by name; the commit is abc1234."""
    answers: dict[str, dict[str, Any]] = {}
    monkeypatch.setattr(run_all, "measured", lambda words: answers[words[0]])
    monkeypatch.setattr(run_all, "_commit", lambda: "abc1234")
    return answers


def run(folder: Path, *names: str) -> dict[str, Any]:
    return run_all.run(argparse.Namespace(only=list(names) or None, out=folder, json=False, restart=False))


def test_figures_are_written_and_a_failure_is_reported(
    answers: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers |= {"batch": {"sessions": 2, "worst_ms": 1.25}, "churn": {"failed": "no room left"}}
    result = run(tmp_path, "batch", "churn")
    assert result["churn"]["failed"] == "no room left"
    assert result["batch"]["worst_ms"] == 1.25
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text()) == result
    assert all(result[name]["commit"] == "abc1234" and result[name]["date"] for name in ("batch", "churn"))
    assert result["machine"] and result["cores"] and path.stem.endswith(f"-{result['cores']}")
    printed = capsys.readouterr().out
    assert "failed: no room left" in printed and "worst_ms" in printed and "1.250" in printed


def test_the_file_of_a_machine_takes_figures_of_the_default_weights_only(
    answers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_all, "chosen", lambda: "free")
    with pytest.raises(InputError, match="omit --weights"):
        run(tmp_path, "batch")
    assert not list(tmp_path.iterdir())


def test_one_that_is_run_again_replaces_its_own_figures_alone_and_a_failure_none(
    answers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers |= {"batch": {"sessions": 1}, "churn": {"cycles": 9}}
    run(tmp_path, "batch", "churn")
    monkeypatch.setattr(run_all, "_commit", lambda: "def5678")
    answers |= {"batch": {"sessions": 2}, "churn": {"failed": "trouble"}}
    result = run(tmp_path, "batch", "churn")
    assert (result["batch"]["sessions"], result["batch"]["commit"]) == (2, "def5678")
    assert (result["churn"]["cycles"], result["churn"]["commit"]) == (9, "abc1234")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The benchmarks that were run; the third is interrupted once."""
    started: list[str] = []

    def measured(words: list[str]) -> dict[str, Any]:
        started.append(" ".join(words))
        if len(started) == 3:
            raise KeyboardInterrupt
        return {key: 1.0 for key in run_all._SHOWN.get(words[0], ["value"])}

    monkeypatch.setattr(run_all, "measured", measured)
    monkeypatch.setattr(run_all, "_commit", lambda: "abc1234")
    return started


ALL = [" ".join(words) for words in run_all.RUNS.values()]


def test_an_interrupted_run_continues_with_the_benchmark_that_was_interrupted(
    started: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert run(tmp_path)["renderer"]["commit"] == "abc1234"
    assert started == ALL[:3] + ALL[2:]
    assert f"{len(ALL) - 2} of {len(ALL)} benchmarks are left" in capsys.readouterr().out
    (path,) = tmp_path.iterdir()
    assert "unfinished" not in json.loads(path.read_text())
    run(tmp_path)
    assert started[-len(ALL) :] == ALL


def test_another_commit_and_restart_begin_again(
    started: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    kept = next(tmp_path.iterdir()).read_text()
    run_all.run(argparse.Namespace(only=None, out=tmp_path, json=True, restart=True))
    assert started == ALL[:3] + ALL
    next(tmp_path.iterdir()).write_text(kept)
    monkeypatch.setattr(run_all, "_commit", lambda: "def5678")
    run(tmp_path)
    assert started == ALL[:3] + ALL + ALL


def test_one_benchmark_alone_leaves_an_interrupted_run_as_it_is(started: list[str], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert run(tmp_path, "soak")["unfinished"] == {"commit": "abc1234", "benchmarks": list(run_all.RUNS)[2:]}


def test_times_taken_under_load_are_told_and_others_are_not(
    answers: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = {"load": {"other_programs": 0.42}}
    answers |= {"batch": {"sessions": 1} | busy, "quality": {"clips": 8} | busy, "churn": {"cycles": 9}}
    run(tmp_path, "batch", "quality", "churn")
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "under load" in line]
    assert told == ["batch"]


def test_what_the_benchmarks_write_does_not_change_the_commit_that_they_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/results.md", "program.py"):
        (tmp_path / name).write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    monkeypatch.setattr(run_all, "__file__", str(tmp_path / "program.py"))
    clean = run_all._commit()
    (tmp_path / "docs/results.md").write_text("2")
    (tmp_path / "README.md").write_text("2")
    assert run_all._commit() == clean != ""
    (tmp_path / "program.py").write_text("2")
    assert run_all._commit() == clean + "+"


def test_the_error_of_a_benchmark_is_reported_unchanged() -> None:
    assert run_all.measured(["capacity", "--most", "0"]) == {
        "failed": "styletalk: --seconds must be at least 2 and --most at least 1."
    }


def test_a_benchmark_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_all, "MAX_BENCHMARK_SECONDS", 0.5)
    assert run_all.measured(["soak", "--minutes", "60"]) == {"failed": "not finished after 0.5 s"}


def test_quality_needs_clips(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="manifest"):
        quality.run(argparse.Namespace(data=tmp_path, every=15, most=10, json=True))
    with pytest.raises(InputError, match="at least 1"):
        quality.run(argparse.Namespace(data=tmp_path, every=0, most=10, json=True))
