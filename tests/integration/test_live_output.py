"""Proves that presenters are sent to an RTMP server and shown by a virtual camera, and what is said without one."""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from live_server import running_server, tone
from ports import free_port
from streaming_servers import rtmp_receiver
from waiting import until

from server.bootstrap import make_service
from server.config import ServerConfig
from server.sessions import virtual_camera
from server.sessions.live_output import OutputFailed
from server.sessions.mp4 import Mp4Writer
from server.sessions.virtual_camera import CameraSink
from styletalk_core.errors import InputError


async def test_an_rtmp_server_receives_video_and_audio() -> None:
    address = f"rtmp://127.0.0.1:{free_port()}/live/{{presenter}}"
    async with rtmp_receiver(address.replace("{presenter}", "news")) as receiver:
        async with running_server(rtmp_out=address) as server, server.control() as control:
            await control.send("presenter.start", name="news")
            await control.send("input_audio.append", audio=tone(400, 3)[::2].tobytes())
            said, _ = await asyncio.wait_for(receiver.communicate(), 60)
        assert said.split(b"\n")[1] == b"['AudioFrame', 'VideoFrame'] 64"


async def test_an_rtmp_server_that_is_away_is_a_sentence() -> None:
    async with running_server(rtmp_out=f"rtmp://127.0.0.1:{free_port()}/x") as server, server.control() as control:
        await control.send("presenter.start", name="news")
        error = await control.expect("error")
        assert error["code"] == "publish_failed" and error["message"].startswith("The RTMP server cannot be reached")


class FakeCamera:
    """A camera that keeps what it is sent."""

    made: list["FakeCamera"] = []  # noqa: RUF012

    def __init__(self, width: int, height: int, fps: int, fmt: str, device: str = "") -> None:
        if device == "none":
            raise RuntimeError("no such camera")
        self.shape, self.sent, self.closed = (width, height, fps, fmt), list[np.ndarray](), False
        self.made.append(self)

    def send(self, frame: np.ndarray) -> None:
        self.sent.append(frame)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[FakeCamera]:
    module: Any = SimpleNamespace(Camera=FakeCamera, PixelFormat=SimpleNamespace(I420="I420"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    FakeCamera.made.clear()
    return FakeCamera


async def test_a_virtual_camera_shows_the_presenter(camera: type[FakeCamera]) -> None:
    async with running_server(virtual_camera="auto") as server, server.control() as control:
        await control.send("presenter.start", name="news")
        await until(lambda: camera.made and camera.made[0].sent)
        await control.send("presenter.stop")
        await control.expect("presenter.stopped")
    (made,) = camera.made
    assert made.shape == (64, 64, 30, "I420") and made.sent[0].shape == (96, 64)
    await until(lambda: made.closed)


def test_without_a_camera_or_its_package_there_is_a_sentence(
    camera: type[FakeCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputFailed, match="modprobe v4l2loopback"):
        CameraSink("none", 64)
    monkeypatch.setattr(virtual_camera.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"styletalk-live\[camera\]"):
        make_service(ServerConfig(virtual_camera="auto"))


def test_a_stream_has_a_key_frame_every_two_seconds(tmp_path: Path) -> None:
    import av

    with Mp4Writer(tmp_path / "out.flv", 64, 64, "ultrafast", container="flv") as writer:
        for index in range(150):
            writer.write_frame(index, np.full((96, 64), index, np.uint8))
    with av.open(str(tmp_path / "out.flv")) as stream:
        keys = [float(packet.pts * packet.time_base) for packet in stream.demux(video=0) if packet.is_keyframe]
    assert np.diff(keys).max() <= 2.01
