"""Proves two servers behind one front desk with Ray's own cluster: sessions spread, and outlive their server.

Skipped without `styletalk-live[ray]`.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import msgpack
import numpy as np
import pytest
from live_server import Caller, silence
from ray_cluster import Client, call, post, process_at, servers
from websockets.exceptions import ConnectionClosed

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PLACES = 2


@pytest.fixture(scope="module")
def front() -> Iterator[str]:
    with servers(PLACES) as address:
        yield address


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
        await channel.send(msgpack.packb({"type": "session.update", "presenter": "news"}))
        await asyncio.sleep(1)
        lost, lasting = second.server, first.server
        status, headers, _ = await post(f"{front}whep/news", b"")
        assert status == 307 and headers["location"].startswith(f"{lost}whep/news?token=")
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
