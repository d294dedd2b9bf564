"""Proves that the command line responds to bad input with status 2 and one sentence, and reports as JSON."""

import json

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
