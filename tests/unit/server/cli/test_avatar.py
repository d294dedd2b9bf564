"""`styletalk avatar` keeps its contract: JSON keys on success, status 2 and one sentence on bad input."""

import json
from pathlib import Path

import pytest
from PIL import Image

from server.cli import main
from styletalk_core.library.avatars import AvatarLibrary


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path))
    return tmp_path


def test_a_photo_is_added_shown_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "me.png"
    Image.fromarray(AvatarLibrary(tmp_path).get("clara").image).save(photo)

    def run(*words: str) -> dict[str, object]:
        assert main(["avatar", *words, "--json"]) == 0
        result: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return result

    added = run("add", "me", str(photo), "--size", "256", "--title", "Me")
    assert added["name"] == "me" and added["size"] == 256 and isinstance(added["seconds"], float)
    assert {"name": "me", "title": "Me", "kind": "added"} in run("list")["avatars"]  # type: ignore[operator]
    assert run("show", "me", "--output", str(tmp_path / "me.jpg"))["size"] == 256
    assert Image.open(tmp_path / "me.jpg").size == (256, 256)
    assert run("remove", "me") == {"name": "me"}
    assert "me" not in [avatar["name"] for avatar in run("list")["avatars"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words",
    [["show", "nobody"], ["remove", "clara"], ["add", "x", "missing.jpg"], ["add", "x", "missing.jpg", "--size", "9"]],
)
def test_bad_input_ends_with_status_2_and_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["avatar", *words]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("styletalk: ")
