"""An uploaded file can be used once the response arrives; an unusable file leaves nothing behind."""

import asyncio
import errno
import json
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import cv2
import numpy as np
import pytest
from face_videos import noise_frames, talking_frames, write_video
from live_server import LiveServer, running_server
from waiting import until

from server.http import sandbox, uploads
from server.http.sandbox import Ended
from server.http.upload_queue import Ticket, UploadQueue
from styletalk_core.library import user_library
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import BackgroundLibrary
from styletalk_core.library.styles import StyleLibrary

SLOW_WORK = """
import os, signal
from pathlib import Path
from server.http.sandbox import serve

def work(request, progress):
    (Path(request["folder"])).mkdir()
    (Path(request["folder"]) / "half.style.npz").write_bytes(b"PK half")
    progress(0.5)
    signal.pause()

serve(work)
"""


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StyleLibrary:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    return StyleLibrary(tmp_path / "home" / "styles")


async def put(server: LiveServer, name: str, body: bytes, kind: str = "styles") -> tuple[int, dict[str, object]]:
    status, _, answer = await server.http("PUT", f"/api/{kind}/{name}", body)
    return status, json.loads(answer)


def jpeg(image: np.ndarray) -> bytes:
    """An (H, W, 3) RGB image as a photo."""
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


async def test_clip_becomes_a_style_and_is_removed(
    tmp_path: Path, library: StyleLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, progress = list[float](), UploadQueue.progress

    def noted(queue: UploadQueue, ticket: Ticket, done: float) -> None:
        told.append(done)
        progress(queue, ticket, done)

    monkeypatch.setattr(UploadQueue, "progress", noted)
    clip = write_video(tmp_path / "talk.mp4", talking_frames())
    async with running_server() as server:
        assert await server.json("/api/uploads") == {"busy": False, "done": 0, "uploads": []}
        sending = asyncio.create_task(put(server, "mine", clip.read_bytes()))
        done = []
        while not sending.done():
            done.append((await server.json("/api/uploads"))["done"])
            await asyncio.sleep(0.02)  # the page, too, asks in intervals
        assert done == sorted(done) and told == sorted(told) and len(set(told)) > 5
        done.append((await server.json("/api/uploads"))["done"])
        assert set(done) <= {0.0, *told} and done[-1] == told[-1], "the progress is not told"
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


async def test_photo_becomes_an_avatar_and_is_removed(tmp_path: Path) -> None:
    """The name of a presenter may be taken; without the photo the presenter is there again."""
    avatars = AvatarLibrary(tmp_path / "home" / "avatars")
    photo = jpeg(avatars.get("marcus").image)
    async with running_server() as server:
        assert await put(server, "clara", photo, "avatars") == (
            201,
            {"name": "clara", "size": 512, "seconds": ANY, "face": 1, "faces": 1, "notes": []},
        )
        assert not avatars.is_builtin("clara")
        assert (await server.http("DELETE", "/api/avatars/clara"))[0] == 204
        assert avatars.is_builtin("clara")
        assert (await server.http("DELETE", "/api/avatars/clara"))[0] == 404


async def test_an_unusable_smile_leaves_the_avatar_as_it_was(tmp_path: Path) -> None:
    """Teeth of the bank are chosen by their number; only an added avatar takes those of a smile."""
    avatars = AvatarLibrary(tmp_path / "home" / "avatars")
    photo = jpeg(avatars.get("marcus").image)
    async with running_server() as server:
        assert (await put(server, "mine/smile", b"a photo", "avatars"))[0] == 404
        status, problem = await put(server, "mine?teeth=99", photo, "avatars")
        assert (status, problem["code"]) == (400, "bad_photo") and avatars.added_names() == []
        assert (await put(server, "mine?teeth=2", photo, "avatars"))[0] == 201
        before = avatars.stamp("mine")
        assert avatars.get("mine").teeth is not None
        status, problem = await put(server, "mine/smile", photo, "avatars")
        assert (status, problem["code"]) == (400, "bad_photo") and "no whole row" in str(problem["message"])
        assert avatars.stamp("mine") == before


async def test_bad_photos_are_refused_in_a_sentence(tmp_path: Path) -> None:
    async with running_server() as server:
        assert await put(server, "mine", jpeg(noise_frames(1)[0]), "avatars") == (
            400,
            {"code": "bad_photo", "message": "No face was found in the image."},
        )
        assert await put(server, "mine", b"no photo at all", "avatars") == (
            400,
            {"code": "bad_photo", "message": "Uploaded photo is not an image that can be read."},
        )
        assert (await put(server, ".mine", b"", "avatars"))[1]["code"] == "bad_name"
    assert AvatarLibrary(tmp_path / "home" / "avatars").names() == AvatarLibrary(tmp_path).names()


async def test_image_becomes_a_background_and_is_removed(tmp_path: Path) -> None:
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


async def uploads_when(server: LiveServer, wanted: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The uploads as the server lists them, once they are as wanted."""
    listed: list[dict[str, Any]] = []

    async def are_as_wanted() -> bool:
        listed[:] = (await server.json("/api/uploads"))["uploads"]
        return wanted(listed)

    await until(are_as_wanted)
    return listed


async def test_two_uploads_queue_and_both_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, knows its position, and is not refused."""
    seen, run = asyncio.Event(), sandbox.run

    async def run_when_seen(*work: Any) -> Ended:
        await seen.wait()
        return await run(*work)

    monkeypatch.setattr(sandbox, "run", run_when_seen)
    picture = jpeg(noise_frames(1)[0])
    async with running_server() as server:
        sending = [asyncio.create_task(put(server, name, picture, "backgrounds")) for name in ("one", "two")]
        listed = await uploads_when(server, lambda uploads: {u["position"] for u in uploads} == {0, 1})
        seen.set()
        assert {(upload["kind"], upload["name"]) for upload in listed} == {("background", "one"), ("background", "two")}
        assert [(await answer)[0] for answer in sending] == [201, 201]
        assert await server.json("/api/uploads") == {"busy": False, "done": 0, "uploads": []}
    added = BackgroundLibrary(tmp_path / "home" / "backgrounds").added_names()
    assert added == ["one", "two"]


async def test_a_full_queue_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads.UploadQueue.__init__, "__defaults__", (1,))
    async with running_server() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"PUT /api/styles/slow HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 9\r\n\r\n"
        writer.write(head.encode() + b"some")
        await uploads_when(server, lambda listed: bool(listed))
        status, headers, body = await server.http("PUT", "/api/styles/other", b"clip")
        assert (status, json.loads(body)["code"], headers["retry-after"]) == (503, "busy", "5")
        assert json.loads(body)["message"] == "The upload queue is full; try again in a moment."
        writer.close()
        await uploads_when(server, lambda listed: not listed)
        assert (await put(server, "other", b"clip"))[0] == 400
        assert not reader.at_eof() or await reader.read() == b""


@pytest.mark.parametrize("end", ["client", "process"])
async def test_an_upload_that_is_cut_off_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Whether its client goes away or its process is killed: no entry, no file, and the next upload has its turn."""
    (tmp_path / "slow_work.py").write_text(SLOW_WORK)
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(uploads, "PROCESS", "slow_work")
    processes = []
    start = asyncio.create_subprocess_exec

    async def noted(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        processes.append(await start(*command, **options))
        return processes[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    async with running_server() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"PUT /api/styles/half HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 4\r\n\r\n"
        writer.write(head.encode() + b"clip")
        await uploads_when(server, lambda listed: bool(listed) and listed[0]["done"] == 0.5)
        if end == "client":
            writer.close()
        else:
            processes[0].kill()
            assert b'"code":"bad_clip"' in await reader.readuntil(b"}")
            writer.close()
        await uploads_when(server, lambda listed: not listed)
        async with asyncio.timeout(60):
            assert await processes[0].wait() == -signal.SIGKILL
        monkeypatch.undo()
        monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
        assert (await put(server, "next", jpeg(noise_frames(1)[0]), "backgrounds"))[0] == 201
    assert not list((tmp_path / "scratch").iterdir())
    files = [path.relative_to(tmp_path / "home").as_posix() for path in (tmp_path / "home").rglob("*.*")]
    assert files == ["backgrounds/next.jpg"]


async def test_a_fault_of_the_server_is_not_the_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lines = "from server.http.sandbox import serve", "serve(lambda request, progress: [][request['name']])"
    (tmp_path / "faulty_work.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(uploads, "PROCESS", "faulty_work")
    async with running_server() as server:
        status, problem = await put(server, "mine", b"clip")
        assert (status, problem["code"]) == (500, "internal")
        assert "TypeError: list indices must be integers" in caplog.text
        _, _, figures = await server.http("GET", "/metrics")
        assert b'styletalk_internal_errors_total{where="upload"} 1.0' in figures


async def test_a_full_disk_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = jpeg(np.full((300, 300, 3), 90, np.uint8))

    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with running_server() as server:
        for place in ((user_library, "_write_durably"), (tempfile, "mkdtemp")):
            with monkeypatch.context() as broken:
                broken.setattr(*place, full)
                status, answer = await put(server, "wall", image, "backgrounds")
            assert status == 507 and answer["code"] == "storage_failed"
            assert "No space left on device" in str(answer["message"])
        assert server.service.internal_errors["http"] == server.service.internal_errors["upload"] == 0
        assert (await put(server, "wall", image, "backgrounds"))[0] == 201
