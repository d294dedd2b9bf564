"""Proves two servers behind one front desk with Ray's own cluster: sessions spread, and outlive their server.

Skipped without `styletalk-live[ray]`.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgpack
import numpy as np
import pytest
from live_server import Caller, silence
from ray_cluster import process_at, two_servers
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PLACES = 2


@pytest.fixture(scope="module")
def front() -> Iterator[str]:
    with two_servers(places=PLACES) as address:
        yield address


@dataclass
class Client:
    """What the page does: asks the front desk for its server, opens the channel there, calls there."""

    front: str
    session: str | None = None
    server: str = ""

    async def find(self) -> str:
        """Asks where to go, as often as it takes; returns the token."""
        query = f"?session={self.session}" if self.session else ""
        while True:
            async with connect(f"{self.front.replace('http', 'ws')}ws{query}") as socket:
                told = msgpack.unpackb(await socket.recv())
            if told["type"] == "session.placed":
                self.session, self.server = told["session"], told["url"]
                token: str = told["token"]
                return token
            assert told["code"] == "server_full", told
            await asyncio.sleep(0.3)

    @asynccontextmanager
    async def online(self) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
        """A channel at the server, with its session.created; pings while it is open."""
        while True:
            token = await self.find()
            address = f"{self.server.replace('http', 'ws')}ws?session={self.session}&token={token}"
            try:
                socket = await connect(address)
                break
            except OSError:
                await asyncio.sleep(0.3)

        async def ping() -> None:
            with suppress(ConnectionClosed):
                while True:
                    await socket.send(msgpack.packb({"type": "ping", "t": 0}))
                    await asyncio.sleep(1)

        created = msgpack.unpackb(await socket.recv())
        assert created["type"] == "session.created"
        pinging = asyncio.create_task(ping())
        try:
            yield socket, created
        finally:
            pinging.cancel()
            await socket.close()


async def post(address: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """POSTs SDP; redirections are not followed."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    top, _, content = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *fields = top.decode().split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, v in (f.split(": ", 1) for f in fields)}, content


async def call(client: Client, caller: Caller) -> int:
    """WHIP without a control channel: the front desk sends the offer on."""
    from aiortc import RTCSessionDescription

    await caller.peer.setLocalDescription(await caller.peer.createOffer())
    offer = caller.peer.localDescription.sdp.encode()
    query = f"?session={client.session}" if client.session else ""
    status, headers, body = await post(f"{client.front}whip{query}", offer)
    if status != 307:
        return status
    client.server = headers["location"].partition("whip")[0]
    status, headers, body = await post(headers["location"], offer)
    if status == 201:
        client.session = headers["x-session"]
        await caller.peer.setRemoteDescription(RTCSessionDescription(body.decode(), "answer"))
    return status


async def test_sessions_spread_and_outlive_their_server(front: str) -> None:
    clients = [Client(front) for _ in range(2 * PLACES)]
    callers = [Caller(silence(1)) for _ in clients]
    assert [await call(client, caller) for client, caller in zip(clients, callers, strict=True)] == [201] * 4
    servers = [client.server for client in clients]
    assert sorted(servers.count(server) for server in set(servers)) == [PLACES, PLACES]
    for caller in callers:
        await caller.until_picture(15)
    ports = {
        line.split()[5]
        for caller in callers
        for line in caller.peer.remoteDescription.sdp.splitlines()
        if "candidate:" in line
    }
    assert all(47100 <= int(port) <= 47163 for port in ports)

    full = Caller(silence(1))
    assert await call(Client(front), full) == 503
    for caller in (*callers, full):
        await caller.aclose()


async def test_killing_a_server_ends_only_its_sessions_which_resume_on_the_other(front: str) -> None:
    first, second = Client(front), Client(front)
    async with first.online() as (_, _), second.online() as (channel, _):
        assert first.server != second.server
        await channel.send(msgpack.packb({"type": "style.set", "style": "happy", "intensity": 0.7, "fade_ms": 100}))
        await channel.send(msgpack.packb({"type": "avatar.set", "avatar": "bob"}))
        caller = Caller(np.zeros(48_000, np.int16))
        await call(second, caller)
        await caller.until_picture(15)
        await asyncio.sleep(1)
        lost, lasting = second.server, first.server
        os.kill(process_at(lost), signal.SIGKILL)
        with suppress(ConnectionClosed):
            async with asyncio.timeout(10):
                while True:
                    await channel.recv()
        session = second.session
        async with second.online() as (_, again):
            assert second.session == again["session"] == session
            assert second.server == lasting
            assert (again["style"], again["intensity"], again["avatar"], again["fade_ms"]) == ("happy", 0.7, "bob", 100)
            other = Caller(silence(1))
            assert await call(second, other) == 201
            await other.until_picture(15)
            assert first.server == lasting
            await other.aclose()
        await caller.aclose()


async def test_no_offer_is_lost_while_a_server_dies(front: str) -> None:
    clients = [Client(front) for _ in range(2 * PLACES)]
    callers = [Caller(silence(1)) for _ in clients]

    async def call_until_answered(client: Client, caller: Caller) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                if await call(client, caller) == 201:
                    return
            await asyncio.sleep(0.3)

    first = asyncio.create_task(call_until_answered(clients[0], callers[0]))
    await first
    os.kill(process_at(clients[0].server), signal.SIGKILL)
    async with asyncio.timeout(60):
        await asyncio.gather(*map(call_until_answered, clients[1:], callers[1:]))
    for caller in callers[1:]:
        await caller.until_picture(15)
    for caller in callers:
        await caller.aclose()
