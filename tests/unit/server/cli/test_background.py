"""`styletalk background` adds, lists and removes images; an unusable image ends with status 2."""

import json
from pathlib import Path

import pytest
from PIL import Image

from server.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    Image.new("RGB", (320, 240), (10, 90, 160)).save(tmp_path / "sea.png")


def test_an_image_is_added_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["background", "add", "sea", str(tmp_path / "sea.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["name"] == "sea"
    assert main(["background", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out.splitlines()[-1])["backgrounds"]
    assert {"name": "sea", "title": "Sea", "kind": "user"} in listed
    assert main(["background", "remove", "sea"]) == 0
    assert main(["background", "list"]) == 0
    assert "sea" not in capsys.readouterr().out.split("Removed the background sea.")[1]


@pytest.mark.parametrize("words", [["add", "blur", "sea.png"], ["add", "sea", "missing.png"], ["remove", "moon"]])
def test_what_cannot_be_done_is_said_in_a_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["background", *words]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
