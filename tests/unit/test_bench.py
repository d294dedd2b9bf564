"""All benchmarks at once: a failure is told and stops nothing, and the file says where the figures come from."""

import argparse
import json
import subprocess
from pathlib import Path

import pytest

from server.benchmarks import everything
from server.commands.bench import BENCHMARKS


def test_every_benchmark_that_it_runs_exists() -> None:
    assert set(everything.RUNS) < set(BENCHMARKS)


def test_figures_of_all_are_written_and_a_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        if command[0] == "git":
            return subprocess.CompletedProcess(command, 0, "abc1234\n" if "rev-parse" in command else "", "")
        if "churn" in command:
            return subprocess.CompletedProcess(command, 1, "", "trouble\nno room left\n")
        return subprocess.CompletedProcess(command, 0, 'hello\n{"sessions": 2, "worst_ms": 1.25}\n', "")

    monkeypatch.setattr(subprocess, "run", run)
    result = everything.run(argparse.Namespace(only=["batch", "churn"], out=tmp_path, json=False))
    assert result["churn"] == {"failed": "no room left"}
    assert result["batch"] == {"sessions": 2, "worst_ms": 1.25}
    (path,) = tmp_path.iterdir()
    stored = json.loads(path.read_text())
    assert stored == result
    assert stored["commit"] == "abc1234" and stored["date"] and stored["machine"]
    printed = capsys.readouterr().out
    assert "no room left" in printed and "worst_ms" in printed and "1.250" in printed
