"""Servers that a presenter is published to: WHIP on the caller's event loop, RTMP in a process of its own."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from serving import served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

RTMP_RECEIVER = """
import av, sys
kinds = set()
with av.open(sys.argv[1], options={"listen": "1"}, timeout=60) as stream:
    print("listening", flush=True)
    for frame in stream.decode():
        kinds.add(type(frame).__name__)
        if len(kinds) == 2:
            print(sorted(kinds), stream.streams.video[0].width, flush=True)
            break
"""


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
    async with served(Starlette(routes=routes), "whip server") as whip.address:
        try:
            yield whip
        finally:
            await whip.aclose()


@asynccontextmanager
async def rtmp_receiver(address: str) -> AsyncIterator[Process]:
    """A process that prints the kinds of frames that it receives, and the width of the video, in its second line."""
    receiver = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RTMP_RECEIVER, address, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield receiver
    finally:
        if receiver.returncode is None:
            receiver.kill()
