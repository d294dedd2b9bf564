"""A clip sent to the server becomes a style that is on disk when the answer comes; bad clips leave nothing."""

import json
from pathlib import Path

import pytest
from face_videos import talking_frames, write_video
from live_server import LiveServer, running_server

from server import style_upload
from styletalk_core.styles import StyleLibrary


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StyleLibrary:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    return StyleLibrary(tmp_path / "home" / "styles")


async def put(server: LiveServer, name: str, clip: bytes) -> tuple[int, dict[str, object]]:
    status, _, body = await server.http("PUT", f"/api/styles/{name}", clip)
    return status, json.loads(body)


async def test_clip_becomes_a_style_and_goes_again(tmp_path: Path, library: StyleLibrary) -> None:
    clip = write_video(tmp_path / "talk.mp4", talking_frames())
    async with running_server() as server:
        status, style = await put(server, "mine", clip.read_bytes())
        assert (status, style["name"], style["kind"]) == (201, "mine", "user")
        assert library.get("mine").frames_used == style["frames_used"] == 75
        assert (await server.http("DELETE", "/api/styles/mine"))[0] == 204
        assert library.kind("mine") != "user"
        assert (await server.http("DELETE", "/api/styles/happy"))[0] == 404


async def test_bad_clips_are_refused_in_a_sentence(tmp_path: Path, library: StyleLibrary) -> None:
    short = write_video(tmp_path / "short.mp4", talking_frames()[:30])
    async with running_server() as server:
        assert await put(server, "mine", short.read_bytes()) == (
            400,
            {"code": "bad_clip", "message": "Uploaded clip lasts 1.0 s; at least 2 s are needed."},
        )
        status, problem = await put(server, "mine", b"no video at all")
        assert (status, problem["code"]) == (400, "bad_clip")
        status, problem = await put(server, "a%20b", short.read_bytes())
        assert (status, problem["code"]) == (400, "bad_name")
    assert "mine" not in library.names()


async def test_clip_that_is_too_large_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_upload, "LARGEST_CLIP_MEGABYTES", 0.001)
    async with running_server() as server:
        status, problem = await put(server, "mine", bytes(2000))
        assert (status, problem["code"]) == (413, "too_large")
