"""Proves that the documentation matches the code: links resolve, files exist, commands and options are known."""

import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest

from server.cli.command import COMMANDS, main

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "styletalk_core").rglob("*.md")),
]
FOLDERS = tuple(
    f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "node_modules"))
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.M | re.S)
SOURCE = re.compile(r"[\w./-]+\.(?:py|js|toml|yaml|md|safetensors|tflite|service)$")
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def headings(page: Path) -> set[str]:
    """Anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@EACH_PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            found = page.parent / path if path else page
            assert found.exists(), target
            assert not anchor or anchor in headings(found), target


@cache
def names() -> set[str]:
    """Names of all files of the repository."""
    return {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")} | {
        path.name for path in ROOT.iterdir()
    }


@EACH_PAGE
def test_every_file_and_folder_that_is_named_exists(page: Path) -> None:
    for code in CODE.findall(page.read_text()):
        for word in code.strip("`").split():
            if word.startswith(FOLDERS) and "*" not in word and "<" not in word:
                assert any((folder / word).exists() for folder in (ROOT, page.parent)), word
            elif SOURCE.match(word) and "/" not in word:
                assert word in names() or word == "FILE.toml", word


MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))


@EACH_PAGE
def test_every_target_of_make_exists(page: Path) -> None:
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.M)) <= TARGETS


def test_make_has_a_rule_for_all_that_its_help_tells() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.M)
    assert set(phony.split()) == TARGETS
    assert set(re.findall(r'"make ([a-z-]+)', MAKEFILE)) <= TARGETS


def commands(page: Path) -> list[str]:
    """Every `styletalk ...` of a page, in a line or in a block, continued lines joined."""
    lines = "\n".join(CODE.findall(page.read_text())).replace("\\\n", " ").splitlines()
    return [line.strip("` ") for line in lines if line.strip("` ").startswith("styletalk ")]


SAID = [
    pytest.param(command, marks=[pytest.mark.lab] if command.split()[1] not in COMMANDS else [])
    for command in sorted({command for page in PAGES for command in commands(page)})
]


@pytest.mark.parametrize("command", SAID)
def test_every_command_and_each_of_its_options_is_known(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)[1:]
    places = [word for word in words if not word.startswith("-")]
    with pytest.raises(SystemExit) as ended:
        main([*places, "--help"])
    told = capsys.readouterr()
    assert ended.value.code == 0, told.err
    for option in (word for word in words if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option.partition('=')[0])}(?![\w-])", told.out), option


def test_the_newest_version_of_the_changelog_is_the_one_that_is_packaged() -> None:
    newest, *_ = re.findall(r"^## (\d+\.\d+\.\d+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
