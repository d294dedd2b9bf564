"""Fuzzing targets and their required result: an error with a code, never a crash or a hang."""

import asyncio
import io
import itertools
import json
import struct
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgpack
import numpy as np
from face_videos import noise_frames, write_video
from hypothesis import strategies as st
from modelless import make_service
from PIL import Image
from starlette.types import ASGIApp

from fuzzing.mutations import damaged, damaged_lines, messages
from server.app import create_app
from server.auth.limits import Allowance
from server.config import ServerConfig
from server.protocol.decoder import fields_of
from server.protocol.requests import CLIENT_REQUESTS
from server.service import Service
from styletalk_core.audio import read_audio
from styletalk_core.errors import InputError
from styletalk_core.library.style_clip import checked_length
from styletalk_core.rendering.portrait import image_file
from styletalk_core.video import read_frames

DATA = Path(__file__).parent.parent / "data"
PICTURES_READ = 6
SECONDS_PER_MESSAGE = 60

Feed = Callable[[bytes], bool]
"""Takes one case; True where it was accepted. Raises where something went wrong."""


@dataclass(frozen=True)
class Target:
    """Something to feed: `cases` makes input, `open` yields the function that takes it."""

    cases: Callable[[], st.SearchStrategy[bytes]]
    open: Callable[[], AbstractContextManager[Feed]]


# Files


@contextmanager
def _file(read: Callable[[Path], object]) -> Iterator[Feed]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"

        def feed(case: bytes) -> bool:
            path.write_bytes(case)
            try:
                read(path)
            except (InputError, MemoryError):  # the bound on memory is part of the confinement
                return False
            return True

        yield feed


def _read_clip(path: Path) -> None:
    checked_length(path)
    for _ in islice(read_frames(path), PICTURES_READ):
        pass


def _sounds() -> st.SearchStrategy[bytes]:
    seeds = []
    for rate, channels, width in ((16_000, 1, 2), (48_000, 2, 2), (8_000, 1, 1), (44_100, 1, 3)):
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setparams((channels, width, rate, 0, "NONE", ""))
            file.writeframes(bytes(range(256)) * 6)
        seeds.append(buffer.getvalue())
    floats = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 1060, b"WAVE", b"fmt ", 16, 3, 1, 16_000, 64_000, 4, 32, b"data", 1024
    )
    return damaged([*seeds, floats + np.linspace(-1, 1, 256, dtype="<f4").tobytes()])


def _clips() -> st.SearchStrategy[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        small = [np.ascontiguousarray(frame[::4, ::4]) for frame in noise_frames(6)]
        return damaged([write_video(Path(folder) / name, small).read_bytes() for name in ("a.mp4", "a.mkv", "a.avi")])


def _photos() -> st.SearchStrategy[bytes]:
    small = Image.fromarray(noise_frames(1)[0]).resize((48, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = []
    for form, options in (
        ("JPEG", {"exif": exif, "quality": 60}),
        ("JPEG", {"progressive": True, "quality": 30}),
        ("PNG", {}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("GIF", {}),
    ):
        buffer = io.BytesIO()
        small.save(buffer, form, **options)
        seeds.append(buffer.getvalue())
    return damaged(seeds)


# Requests


@contextmanager
def _running() -> Iterator[tuple[asyncio.Runner, ASGIApp, Service]]:
    """The application on an event loop that runs while a case is worked on."""
    service = make_service(ServerConfig(size=256))
    app = create_app(service)
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        runner.run(service.worker.wait_ready())
        try:
            yield runner, app, service
        finally:
            runner.run(lifespan.__aexit__(None, None, None))


async def _request(app: ASGIApp, method: str, path: str, kind: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []
    arriving = iter([{"type": "http.request", "body": body, "more_body": False}])
    headers = [(b"host", b"127.0.0.1"), (b"content-type", kind.encode())]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "scheme": "http", "root_path": "", "http_version": "1.1"}

    async def receive() -> Any:
        return next(arriving, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], fields, b"".join(part.get("body", b"") for part in sent[1:])


def _refused(status: int, body: bytes) -> bool:
    """True for a refusal as it has to be: 4xx, with a code and a sentence.

    Raises:
        AssertionError: it is another answer, and no success.
    """
    if status < 300:
        return False
    refusal = json.loads(body)
    assert 400 <= status < 500 and refusal["code"] and refusal["message"], (status, body)
    return True


@contextmanager
def _offer() -> Iterator[Feed]:
    with _running() as (runner, app, service):

        async def post(case: bytes) -> bool:
            status, headers, body = await _request(app, "POST", "/whip", "application/sdp", case)
            if _refused(status, body):
                assert not service.clients.microphone_sessions()
                return False
            assert (await _request(app, "DELETE", headers["location"], "", b""))[0] == 200
            return True

        yield lambda case: runner.run(post(case))


@contextmanager
def _fragment() -> Iterator[Feed]:
    with _running() as (runner, app, service):
        offer = (DATA / "offers/chromium.sdp").read_bytes()
        calls: list[str] = []

        async def add(case: bytes) -> bool:
            if not service.clients.microphone_sessions():
                _, headers, _ = await _request(app, "POST", "/whip", "application/sdp", offer)
                calls.append(headers["location"])
            kind = "application/trickle-ice-sdpfrag"
            status, _, body = await _request(app, "PATCH", calls[-1], kind, case)
            return not _refused(status, body)

        yield lambda case: runner.run(add(case))


@contextmanager
def _message() -> Iterator[Feed]:
    unhurried = patch.object(Allowance, "take", lambda *_: 0.0)
    with unhurried, _running() as (runner, app, _):
        number = itertools.count()
        arriving: asyncio.Queue[Any] = asyncio.Queue()
        leaving: asyncio.Queue[Any] = asyncio.Queue()
        headers = [(b"host", b"127.0.0.1")]
        scope = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "headers": headers}
        scope |= {"client": ("127.0.0.1", 1), "scheme": "ws", "root_path": "", "subprotocols": [], "extensions": {}}
        arriving.put_nowait({"type": "websocket.connect"})

        async def answered(case: bytes) -> bool:
            """Sends a case and then a ping: the answers before its pong are the case's."""
            mark = f"fuzz {next(number)}"
            for data in (case, msgpack.packb({"type": "ping", "t": mark})):
                arriving.put_nowait({"type": "websocket.receive", "bytes": data})
            codes = []
            async with asyncio.timeout(SECONDS_PER_MESSAGE):
                while True:
                    assert not channel.done(), "the channel was closed"
                    said = await leaving.get()
                    if said["type"] != "websocket.send":
                        continue
                    message = msgpack.unpackb(said["bytes"])
                    if message["type"] == "error":
                        assert message["code"] and message["message"]
                        codes.append(message["code"])
                    elif message["type"] == "pong" and message["t"] == mark:
                        return not codes

        async def open_channel() -> "asyncio.Task[None]":
            return asyncio.ensure_future(app(scope, arriving.get, leaving.put))

        channel = runner.run(open_channel())
        yield lambda case: runner.run(answered(case))
        arriving.put_nowait({"type": "websocket.disconnect", "code": 1000})
        runner.run(asyncio.wait_for(channel, SECONDS_PER_MESSAGE))


TYPES = tuple(kind.type for kind in CLIENT_REQUESTS)
FIELDS = (*{field for kind in CLIENT_REQUESTS for field in fields_of(kind)}, "at", "id")
VALID: tuple[dict[str, Any], ...] = (
    {"type": "style.set", "style": "happy", "intensity": 1.0, "fade_ms": 300},
    {"type": "style.set", "weights": {"calm": 0.5, "happy": 0.5}},
    {"type": "avatar.set", "avatar": "bob"},
    {"type": "session.update", "presenter": "news", "avatar": "ada", "background": "keep"},
    {"type": "input_audio.append", "audio": bytes(960)},
    {"type": "ping", "t": 1.5},
)


def _offers() -> st.SearchStrategy[bytes]:
    return damaged_lines([(DATA / "offers/chromium.sdp").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")])


def _fragments() -> st.SearchStrategy[bytes]:
    lines = (
        b"a=ice-ufrag:W3Sn",
        b"a=ice-pwd:OmN0uV4P9kuee3jOnpLzSPTO",
        b"m=audio 9 UDP/TLS/RTP/SAVPF 0",
        b"a=mid:0",
        b"a=candidate:3281467998 1 udp 2113937151 127.0.0.1 37558 typ host generation 0 network-cost 999",
        b"a=candidate:1 1 tcp 1 192.0.2.1 9 typ srflx raddr 0.0.0.0 rport 0 tcptype active",
        b"a=end-of-candidates",
    )
    return damaged_lines([b"\r\n".join(lines)])


TARGETS = {
    "offer": Target(_offers, _offer),
    "fragment": Target(_fragments, _fragment),
    "message": Target(lambda: messages(TYPES, FIELDS, VALID), _message),
    "sound": Target(_sounds, lambda: _file(read_audio)),
    "clip": Target(_clips, lambda: _file(_read_clip)),
    "photo": Target(_photos, lambda: _file(image_file.load)),
}
