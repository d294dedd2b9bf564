"""A server with the deterministic engine on a free port, and an aiortc client.

Both run on the caller's event loop.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aioice.ice
import av
import msgpack
import numpy as np
import uvicorn
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from deterministic_engine import AVATARS, BACKGROUNDS, STYLES, DeterministicEngine
from serving import started
from waiting import until
from websockets.asyncio.client import ClientConnection, connect

from server.app import create_app
from server.catalogue import AvatarEntry, StyleEntry
from server.config import ServerConfig, checked
from server.http.draining import MAX_FRAME_BYTES
from server.service import Service
from server.webrtc.tracks import OpusEncoder, audio_packet
from streaming.scheduling.batch_worker import BatchWorker, Machine
from streaming.scheduling.overload import OverloadLadder
from streaming.scheduling.plan import FRAME_RATES, MachinePlan, Rung, StageCosts
from styletalk_core.errors import NotFound
from styletalk_core.library.backgrounds import BackgroundEntry

if TYPE_CHECKING:
    from server.lab.benchmarks.udp_relay import UdpRelay


class FixedCatalogue:
    """The names the deterministic engine knows."""

    def avatars(self) -> list[AvatarEntry]:
        return [AvatarEntry(name, name.title(), "presenter", 1) for name in AVATARS]

    def styles(self) -> list[StyleEntry]:
        return [StyleEntry(name, name.title(), "manner", 1) for name in STYLES]

    def backgrounds(self) -> list[BackgroundEntry]:
        return [BackgroundEntry(name, name.title(), name) for name in BACKGROUNDS]

    def check_background(self, name: str) -> None:
        if name not in BACKGROUNDS:
            raise NotFound(f"There is no background named {name!r}.")

    def style_thumbnail(self, style: str, avatar: str) -> bytes:
        if style not in STYLES:
            raise NotFound(f"There is no style named {style!r}.")
        return self.thumbnail(avatar)

    def thumbnail(self, avatar: str) -> bytes:
        if avatar not in AVATARS:
            raise NotFound(f"There is no avatar named {avatar!r}.")
        return b"\xff\xd8\xff\xd9"


@dataclass
class Address:
    """A server on a loopback port, in this process or another."""

    port: int

    async def http(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One HTTP request on a connection of its own: status, headers (lower case), body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        fields = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(body)), "Connection": "close"}
        fields |= headers or {}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
        writer.write(head.encode() + body)
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        top, _, content = answer.partition(b"\r\n\r\n")
        lines = top.decode().split("\r\n")
        got = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        if got.get("transfer-encoding") == "chunked":
            content = _unchunk(content)
        return int(lines[0].split()[1]), got, content

    async def json(self, path: str) -> Any:
        return json.loads((await self.http("GET", path))[2])


@dataclass
class LiveServer(Address):
    """A running server."""

    service: Service
    engine: DeterministicEngine
    server: uvicorn.Server

    @asynccontextmanager
    async def control(self, session: str | None = None, as_json: bool = False) -> AsyncIterator["Control"]:
        """A control channel; its session.created has been read."""
        query = ([f"session={session}"] if session else []) + (["format=json"] if as_json else [])
        async with connect(f"ws://127.0.0.1:{self.port}/ws?{'&'.join(query)}") as socket_:
            channel = Control(socket_, as_json)
            channel.created = await channel.expect("session.created")
            yield channel

    @asynccontextmanager
    async def watch(self, presenter: str, as_json: bool = False) -> AsyncIterator["Control"]:
        """A viewer's channel."""
        query = f"watch={presenter}" + ("&format=json" if as_json else "")
        async with connect(f"ws://127.0.0.1:{self.port}/ws?{query}") as socket_:
            yield Control(socket_, as_json)


def _unchunk(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        if not int(size, 16):
            break
        body += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return body


@dataclass
class Control:
    """The client's end of the control channel."""

    socket: ClientConnection
    as_json: bool = False
    created: dict[str, Any] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, type: str, **fields: Any) -> None:
        message = {"type": type, **fields}
        await self.socket.send(json.dumps(message) if self.as_json else msgpack.packb(message))

    async def expect(self, *types: str, seconds: float = 60.0) -> dict[str, Any]:
        """The next message of one of these types; others are skipped."""
        async with asyncio.timeout(seconds):
            while True:
                received = await self.socket.recv()
                message: dict[str, Any] = (
                    msgpack.unpackb(received) if isinstance(received, bytes) else json.loads(received)
                )
                if message["type"] in types:
                    return message
                self.skipped.append(message)

    async def first(self, type: str) -> dict[str, Any]:
        """The first message of a type, which may have come while another one was expected: time goes on meanwhile."""
        return next((message for message in self.skipped if message["type"] == type), None) or await self.expect(type)


class TirelessWorker(BatchWorker):
    """Disables the overload ladder, so that a busy test machine does not reduce frame size or rate."""

    def __init__(self, engine: DeterministicEngine, slots: int) -> None:
        sizes = (engine.size, engine.size // 2)
        super().__init__(lambda: engine, slots, machine=Machine(cores=8.0, sizes=sizes, fixed=True))

    def make_ladder(self, plan: MachinePlan, costs: StageCosts) -> OverloadLadder:
        return OverloadLadder([Rung(plan.sizes[0], FRAME_RATES[0])])


@asynccontextmanager
async def running_server(
    engine: DeterministicEngine | None = None, slots: int = 4, ready: bool = True, **settings: Any
) -> AsyncIterator[LiveServer]:
    """Starts a server and stops it."""
    vars(aioice.ice._mdns).clear()  # the lock and the socket of the event loop of an earlier test
    engine = engine or DeterministicEngine()
    config = ServerConfig(size=256, **settings)
    service = Service(config, TirelessWorker(engine, slots), FixedCatalogue())
    options = {
        "log_level": "warning",
        "lifespan": "on",
        "timeout_graceful_shutdown": 2,
        "ws_max_size": MAX_FRAME_BYTES,
    }
    async with started(create_app(service), "uvicorn", **options) as (server, port):
        if ready:
            await asyncio.wait_for(service.worker.wait_ready(), 60)
        yield LiveServer(port, service, engine, server)


class ToneTrack(MediaStreamTrack):
    """A microphone: ``samples`` (n,) int16 mono 48 kHz in a loop, encoded in advance, 20 ms packets on time."""

    kind = "audio"

    def __init__(self, samples: np.ndarray) -> None:
        super().__init__()
        encoder = OpusEncoder()
        cut = len(samples) // 960 * 960
        self._packets = [encoder.encode(part, k * 960) for k, part in enumerate(samples[:cut].reshape(-1, 960))]
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> Any:
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        await asyncio.sleep(max(0.0, self._began + self._sent * 0.02 - now))  # a microphone keeps real time
        packet = audio_packet(self._sent * 960, self._packets[self._sent % len(self._packets)])
        self._sent += 1
        return packet


def tone(frequency: float, seconds: float, amplitude: float = 0.3) -> np.ndarray:
    """(n,) int16 sine at 48 kHz."""
    time = np.arange(round(seconds * 48_000)) / 48_000
    return (amplitude * 32767 * np.sin(2 * np.pi * frequency * time)).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 48_000), np.int16)


def pitch(rtc_client: "RtcClient") -> float:
    """The strongest frequency in the received audio, without silence and concealed losses."""
    audio = np.concatenate([samples for _, _, samples in rtc_client.audio])
    blocks = audio[: len(audio) // 4_800 * 4_800].reshape(-1, 4_800)
    loud = blocks[np.abs(blocks).max(axis=1) > 2_000]
    assert len(loud) >= 3
    spectrum = np.abs(np.fft.rfft(loud * np.hanning(4_800))).sum(axis=0)
    return float(spectrum.argmax() * 10)


class RtcClient:
    """A client: sends a microphone, keeps what comes back."""

    def __init__(self, microphone: np.ndarray | None) -> None:
        """``microphone`` as for `ToneTrack`; None only listens."""
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if microphone is None:
            self.peer.addTransceiver("audio", "recvonly")
        else:
            self.peer.addTransceiver(ToneTrack(microphone), "sendrecv")
        self.peer.addTransceiver("video", "recvonly")
        self.audio: list[tuple[float, float, np.ndarray]] = []
        """(moment of arrival, media time, samples)"""
        self.frames: list[tuple[float, float, np.ndarray]] = []
        """(moment of arrival, media time, yuv420p)"""
        self.resource = ""
        self._tasks: list[asyncio.Task[None]] = []
        self.peer.on("track", self._receive)

    def _receive(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.create_task(self._keep(track), name=f"caller {track.kind}"))

    async def _keep(self, track: MediaStreamTrack) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                frame = await track.recv()
            except Exception:
                return
            if isinstance(frame, av.AudioFrame):
                self.audio.append((loop.time(), frame.time, frame.to_ndarray().reshape(-1, 2)[:, 0]))
            else:
                self.frames.append((loop.time(), frame.time, frame.to_ndarray(format="yuv420p")))

    async def call(
        self, server: Address, session: str | None = None, relay: "UdpRelay | None" = None, path: str = "/whip"
    ) -> int:
        """Calls, through a relay when there is one; returns the HTTP status."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        query = f"?session={session}" if session else ""
        offer = self.peer.localDescription.sdp
        status, headers, body = await server.http(
            "POST",
            f"{path}{query}",
            (relay.offer(offer) if relay else offer).encode(),
            {"Content-Type": "application/sdp"},
        )
        if status == 201:
            self.resource = headers["location"]
            answer = relay.answer(body.decode()) if relay else body.decode()
            await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return status

    async def until_frame(self, seconds: float = 60.0) -> None:
        """Waits for the first frame."""
        await until(lambda: self.frames, seconds)

    async def receive(self, seconds: float) -> None:
        """Waits for this many more seconds of audio, however slow the machine."""
        enough = len(self.audio) + round(seconds / 0.02)
        await until(lambda: len(self.audio) >= enough, 4 * seconds + 60)

    async def aclose(self) -> None:
        await self.peer.close()
        for task in self._tasks:
            task.cancel()  # a track that never started never ends
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _serve(port: int, settings: dict[str, str]) -> None:
    """Serves the page with the deterministic engine until it is interrupted."""
    engine = DeterministicEngine(size=512)
    config = ServerConfig(port=port, **checked(settings, "of the test"))
    service = Service(config, TirelessWorker(engine, 4), FixedCatalogue())
    await uvicorn.Server(uvicorn.Config(create_app(service), port=port, log_level="warning")).serve()


if __name__ == "__main__":  # live_server.py [PORT [SETTING=VALUE ...]]
    given = dict(setting.split("=", 1) for setting in sys.argv[2:])
    asyncio.run(_serve(int(sys.argv[1]) if sys.argv[1:] else 8090, given))
