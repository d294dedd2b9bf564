"""Proves that the command line responds to bad input with status 2 and one sentence, and reports as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.cli.command import commands, main


def test_help_names_every_command_without_importing_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    output = capsys.readouterr().out
    assert all(name in output for name in commands())


OF_THE_LABORATORY = [pytest.param(words, marks=pytest.mark.lab) for words in (["bench"], ["bench", "nonsense"])]


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["doctor", "--bogus"], *OF_THE_LABORATORY])
def test_unknown_words_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: styletalk" in capsys.readouterr().err


def test_doctor_reports_one_json_object_on_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    checks = json.loads(capsys.readouterr().out.splitlines()[-1])["checks"]
    assert all(set(check) == {"name", "ok", "fix"} and check["ok"] == (not check["fix"]) for check in checks)


def chosen_by(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose module prints the set of weights that it would load."""
    code = f"""
import sys
from server.cli import command, recognize
from styletalk_core import weights
recognize.run = lambda args: print(weights.chosen()) or {{}}
sys.exit(command.main({list(words)!r}))
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_every_command_takes_the_weights() -> None:
    assert chosen_by("recognize", "a.wav").stdout == "default\n"
    assert chosen_by("recognize", "a.wav", "--weights", "free").stdout == "free\n"
    unknown = chosen_by("style", "list", "--weights", "paid")
    assert unknown.returncode == 2 and "invalid choice: 'paid'" in unknown.stderr


def test_a_server_with_weights_that_are_missing_is_refused_in_one_sentence(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from styletalk_core import weights
weights.FOLDER = Path({str(tmp_path)!r})
from server.cli import main
sys.exit(main(["serve", "--port", "0"]))
"""
    environment = os.environ | {"STYLETALK_SERVE_WEIGHTS": "free"}
    failed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert failed.returncode == 2
    assert failed.stderr.startswith("styletalk: The free weights lack folds.safetensors, mesh64.safetensors,")
    assert failed.stderr.count("\n") == 1
