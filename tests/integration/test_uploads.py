"""What is sent to the server can be chosen when the answer comes; what cannot be used leaves nothing."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import cv2
import numpy as np
import pytest
from face_videos import noise_frames, talking_frames, write_video
from live_server import LiveServer, running_server

from server.routes import uploads
from styletalk_core.renderer.background import BackgroundLibrary
from styletalk_core.renderer.portrait import AvatarLibrary
from styletalk_core.styles import StyleLibrary


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StyleLibrary:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    return StyleLibrary(tmp_path / "home" / "styles")


async def put(server: LiveServer, name: str, body: bytes, kind: str = "styles") -> tuple[int, dict[str, object]]:
    status, _, answer = await server.http("PUT", f"/api/{kind}/{name}", body)
    return status, json.loads(answer)


def jpeg(picture: np.ndarray) -> bytes:
    """A (H, W, 3) RGB picture as a photo."""
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


async def test_clip_becomes_a_style_and_goes_again(tmp_path: Path, library: StyleLibrary) -> None:
    clip = write_video(tmp_path / "talk.mp4", talking_frames())
    async with running_server() as server:
        assert await server.json("/api/uploads") == {"busy": False, "done": 0}
        sending = asyncio.create_task(put(server, "mine", clip.read_bytes()))
        done = []
        while not sending.done():
            done.append((await server.json("/api/uploads"))["done"])
            await asyncio.sleep(0.02)
        assert done == sorted(done) and len(set(done)) > 5, "the progress is not told"
        status, style = await sending
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


async def test_photo_becomes_an_avatar_and_goes_again(tmp_path: Path) -> None:
    """The name of a presenter may be taken; without the photo the presenter is there again."""
    avatars = AvatarLibrary(tmp_path / "home" / "avatars")
    photo = jpeg(avatars.get("marcus").picture)
    async with running_server() as server:
        assert await put(server, "clara", photo, "avatars") == (201, {"name": "clara", "size": 512, "seconds": ANY})
        assert not avatars.is_builtin("clara")
        assert (await server.http("DELETE", "/api/avatars/clara"))[0] == 204
        assert avatars.is_builtin("clara")
        assert (await server.http("DELETE", "/api/avatars/clara"))[0] == 404


async def test_bad_photos_are_refused_in_a_sentence(tmp_path: Path) -> None:
    async with running_server() as server:
        assert await put(server, "mine", jpeg(noise_frames(1)[0]), "avatars") == (
            400,
            {"code": "bad_photo", "message": "No face was found in the picture."},
        )
        assert await put(server, "mine", b"no photo at all", "avatars") == (
            400,
            {"code": "bad_photo", "message": "Uploaded photo is not a picture that can be read."},
        )
        assert (await put(server, ".mine", b"", "avatars"))[1]["code"] == "bad_name"
    assert AvatarLibrary(tmp_path / "home" / "avatars").names() == AvatarLibrary(tmp_path).names()


async def test_picture_becomes_a_background_and_goes_again(tmp_path: Path) -> None:
    backgrounds = BackgroundLibrary(tmp_path / "home" / "backgrounds")
    picture = jpeg(noise_frames(1)[0])
    async with running_server() as server:
        assert await put(server, "wall", picture, "backgrounds") == (201, {"name": "wall", "seconds": ANY})
        assert "wall" in {entry.name for entry in backgrounds.entries()}
        assert (await put(server, "blur", picture, "backgrounds"))[1]["code"] == "bad_name"
        assert (await put(server, "text", b"no picture", "backgrounds"))[1]["code"] == "bad_picture"
        assert (await server.http("DELETE", "/api/backgrounds/wall"))[0] == 204
        assert (await server.http("DELETE", "/api/backgrounds/studio"))[0] == 404


async def test_file_that_is_too_large_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "STYLE", replace(uploads.STYLE, megabytes=0.001))
    monkeypatch.setattr(uploads, "AVATAR", replace(uploads.AVATAR, megabytes=0.001))
    async with running_server() as server:
        for kind in ("styles", "avatars"):
            status, problem = await put(server, "mine", bytes(2000), kind)
            assert (status, problem["code"]) == (413, "too_large")
