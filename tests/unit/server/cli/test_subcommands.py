"""Proves that a subcommand's module is imported when the subcommand is parsed, and gets `--json` once."""

import argparse
import sys
from pathlib import Path

import pytest

from server.cli.subcommands import add_subcommands

MODULE = """
def add_arguments(parser):
    parser.add_argument("--times", type=int)
    {more}

def run(args):
    return {{"times": args.times}}
"""


@pytest.mark.parametrize("more", ["pass", 'parser.add_argument("--json", action="store_true")'])
def test_a_module_is_imported_late_and_every_command_speaks_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    (tmp_path / "late_command.py").write_text(MODULE.format(more=more))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "late_command", raising=False)
    parser = argparse.ArgumentParser()
    add_subcommands(parser, {"late": ("late_command", "something late")})
    assert "something late" in parser.format_help() and "late_command" not in sys.modules
    args = parser.parse_args(["late", "--times", "3", "--json"])
    assert args.run(args) == {"times": 3} and args.json
    monkeypatch.delitem(sys.modules, "late_command")


def test_a_group_without_a_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_subcommands(parser, {"late": ("late_command", "something late")})
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args([])
    assert "COMMAND" in capsys.readouterr().err


def test_a_subcommand_is_found_by_the_spelling_of_the_last_release_which_help_does_not_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recognizer_command.py").write_text(MODULE.format(more="pass"))
    monkeypatch.syspath_prepend(tmp_path)
    parser = argparse.ArgumentParser(prog="tool")
    add_subcommands(parser, {"recognizer": ("recognizer_command", "the recognizer")})
    assert parser.parse_args(["recogniser"]).run is parser.parse_args(["recognizer"]).run
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert "recogniser" not in capsys.readouterr().out


def test_a_package_that_is_not_installed_is_named_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lab_command.py").write_text("import package_of_the_laboratory")
    monkeypatch.syspath_prepend(tmp_path)
    parser = argparse.ArgumentParser(prog="styletalk")
    add_subcommands(parser, {"late": ("lab_command", "something late")})
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["late"])
    said = capsys.readouterr().err
    assert "package_of_the_laboratory" in said and "pip install 'styletalk-live[lab]'" in said
