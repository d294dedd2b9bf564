"""Proves that presenters are published to a WHIP server: its peer receives both tracks, and is told when it is over."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import numpy as np
import uvicorn
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from live_server import running_server, tone
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from waiting import until


class WhipServer:
    """A WHIP server that keeps what it receives; the first ``refusals`` offers are refused."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.address = ""
        self.keys: list[str | None] = []
        self.offers: list[str] = []
        self.deleted: list[str] = []
        self.audio: list[np.ndarray] = []
        self.frames: list[np.ndarray] = []
        self._peers: list[RTCPeerConnection] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def post(self, request: Request) -> Response:
        self.keys.append(request.headers.get("authorization"))
        self.offers.append((await request.body()).decode())
        if len(self.offers) <= self.refusals:
            return Response("secret", 403)
        peer = RTCPeerConnection()
        self._peers.append(peer)
        peer.on("track", lambda track: self._tasks.append(asyncio.create_task(self._keep(track), name="kept")))
        await peer.setRemoteDescription(RTCSessionDescription(self.offers[-1], "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        headers = {"Location": f"/resource/{len(self.offers)}"}
        return Response(peer.localDescription.sdp, 201, headers, "application/sdp")

    async def delete(self, request: Request) -> Response:
        self.deleted.append(request.url.path)
        return Response()

    async def _keep(self, track: MediaStreamTrack) -> None:
        kept: list[np.ndarray] = self.audio if track.kind == "audio" else self.frames
        while True:
            try:
                frame: Any = await track.recv()
            except Exception:
                return
            kept.append(frame.to_ndarray())

    async def drop(self) -> None:
        """Ends the connections."""
        for peer in self._peers:
            await peer.close()

    async def aclose(self) -> None:
        await self.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def whip_server(refusals: int = 0) -> AsyncIterator[WhipServer]:
    whip = WhipServer(refusals)
    routes = [
        Route("/{presenter}/whip", whip.post, methods=["POST"]),
        Route("/resource/{id}", whip.delete, methods=["DELETE"]),
    ]
    listener = socket.create_server(("127.0.0.1", 0))
    whip.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off"))
    server.capture_signals = nullcontext  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="whip server")
    await until(lambda: server.started, 30)
    try:
        yield whip
    finally:
        await whip.aclose()
        server.should_exit = True
        await serving
        listener.close()


async def test_a_presenter_is_heard_and_seen_there_until_it_stops() -> None:
    async with whip_server() as whip:
        options = {"whip_out": f"{whip.address}/{{presenter}}/whip", "whip_out_key": "sesame"}
        async with running_server(**options) as server, server.control() as control:
            await control.send("presenter.start", name="news")
            await control.expect("presenter.started")
            await until(lambda: whip.frames, 15)
            await control.send("input_audio.append", audio=tone(400, 1)[::2].tobytes())
            await control.send("input_audio.commit")
            await until(lambda: any(np.abs(part).max() > 2_000 for part in whip.audio), 10)
            assert whip.keys == ["Bearer sesame"] and "a=sendonly" in whip.offers[0] and "VP8" in whip.offers[0]
            await control.send("presenter.stop")
            await control.expect("presenter.stopped")
        assert whip.deleted == ["/resource/1"]


async def test_a_refusal_is_a_sentence_and_a_lost_connection_is_made_again() -> None:
    async with (
        whip_server(refusals=1) as whip,
        running_server(whip_out=f"{whip.address}/{{presenter}}/whip") as server,
        server.control() as control,
    ):
        await control.send("presenter.start", name="news")
        error = await control.expect("error", 15)
        assert (error["code"], error["message"]) == ("publish_failed", "The WHIP server answered with status 403.")
        await until(lambda: whip.frames, 15)
        await whip.drop()
        await until(lambda: len(whip.offers) == 3, 20)
        assert whip.deleted == ["/resource/2"] and whip.keys == [None] * 3


async def test_this_servers_own_whip_wants_a_microphone_and_says_so() -> None:
    async with (
        running_server() as other,
        running_server(whip_out=f"http://127.0.0.1:{other.port}/whip") as server,
        server.control() as control,
    ):
        await control.send("presenter.start", name="news")
        assert "status 400" in (await control.expect("error", 15))["message"]
        assert other.service.worker.free_slots == other.service.worker.slots
