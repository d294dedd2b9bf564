"""Proves that the `lab` extra can be hidden, and that its commands then explain how to install it."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests/without_lab"
sys.path.append(str(FOLDER))
from hidden_lab import OWN, PACKAGES, needs_lab  # noqa: E402

BROUGHT_BY_OTHERS = {"matplotlib"}  # MediaPipe
NEED_EXTRAS = {"server.cli.__main__", "server.cluster", "styletalk_core.recognizer.pocketsphinx"}
"""A program, and what is imported once its extra was found."""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the laboratory is hidden."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(FOLDER)}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_is_hidden_is_what_only_the_extra_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = {re.split(r"[<>=\[; ]", line)[0] for line in project["optional-dependencies"]["lab"]}
    always = {re.split(r"[<>=\[; ]", line)[0] for line in project["dependencies"]}
    assert {name.replace("-", "_") for name in extra - always - BROUGHT_BY_OTHERS} == set(PACKAGES)


@pytest.mark.parametrize("name", [*PACKAGES, "server.lab", "styletalk_core.lab.training"])
def test_a_hidden_module_cannot_be_imported(name: str) -> None:
    ended = run("-c", f"import {name}")
    assert ended.returncode == 1 and "ModuleNotFoundError: No module named" in ended.stderr


def test_everything_else_can_be_imported() -> None:
    sources = (path.relative_to(ROOT) for package in OWN for path in (ROOT / package).rglob("*.py"))
    modules = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in sources
        if not {"lab", "plugs"} & set(path.parts)  # each plug needs the extra of its framework
    }
    ended = run("-c", "\n".join(f"import {name}" for name in sorted(modules - NEED_EXTRAS)))
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("command", ["bench", "dataset", "evaluate", "results", "train"])
def test_a_command_of_the_lab_says_how_to_install_it(command: str) -> None:
    ended = run("-m", "server.cli", command)
    assert ended.returncode == 2 and "pip install 'styletalk-live[lab]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_still_lists_the_commands_of_the_lab() -> None:
    ended = run("-m", "server.cli", "--help")
    assert ended.returncode == 0 and "needs the extra `lab`" in ended.stdout


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("from styletalk_core.lab.recognizer.noise import music", True),
        ("def test():\n    import pocketsphinx", True),
        ("from server.labels import AI_LABEL\n# from server.lab import x", False),
    ],
)
def test_a_module_that_imports_from_the_laboratory_is_known(tmp_path: Path, source: str, needed: bool) -> None:
    module = tmp_path / "test_module.py"
    module.write_text(source)
    assert needs_lab(module, tmp_path) is needed


def test_what_lies_in_a_folder_of_the_lab_is_known() -> None:
    assert needs_lab(ROOT / "tests/unit/server/lab", ROOT / "tests")
    assert not needs_lab(ROOT / "tests/unit/server/test_config.py", ROOT / "tests")
