"""`styletalk style` adds, lists, describes and removes styles, and reports errors with status 2."""

import json
from pathlib import Path

import pytest
from face_videos import talking_frames, write_video

from server.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    line: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return line


def test_style_is_added_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "talk.mp4", talking_frames())
    assert main(["style", "add", "mine", str(video), "--json"]) == 0
    added = last_line(capsys)
    assert added["name"] == "mine"
    assert {"frames_used", "tracked_share", "seconds"} <= added.keys()
    assert main(["style", "list", "--json"]) == 0
    styles = last_line(capsys)["styles"]
    assert isinstance(styles, list)
    assert [style["name"] for style in styles if style["kind"] == "user"] == ["mine"]
    assert main(["style", "show", "mine"]) == 0
    assert "talk.mp4" in capsys.readouterr().out
    assert main(["style", "remove", "mine"]) == 0
    assert main(["style", "show", "mine"]) == 2


def test_bad_clip_leaves_nothing_behind(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "short.mp4", talking_frames()[:30])
    assert main(["style", "add", "mine", str(video)]) == 2
    assert "at least 2 s are needed" in capsys.readouterr().err
    assert main(["style", "add", "../evil", str(video)]) == 2
    assert not list(home.rglob("*.npz*"))


def test_map_needs_an_image_suffix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["style", "map", "--output", "map.txt"]) == 2
    assert "must end in .png or .svg" in capsys.readouterr().err


def test_map_tells_where_every_style_lies_and_draws_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "map.svg"
    assert main(["style", "map", "--output", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "happy" in said and f"Wrote {picture}." in said and picture.stat().st_size > 1000
    assert main(["style", "map", "--json"]) == 0
    places = last_line(capsys)["styles"]
    assert isinstance(places, list) and all(-1 <= place["x"] <= 1 for place in places)
