"""Proves two servers behind one gateway on a Ray test cluster: sessions are distributed and survive their server.

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
from live_server import RtcClient, silence
from ray_cluster import Client, call, post, process_at, servers
from waiting import until
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
    rtc_clients = [RtcClient(silence(1)) for _ in clients]
    assert [await call(client, rtc_client) for client, rtc_client in zip(clients, rtc_clients, strict=True)] == [
        201
    ] * 4
    servers = [client.server for client in clients]
    assert sorted(servers.count(server) for server in set(servers)) == [PLACES, PLACES]
    for rtc_client in rtc_clients:
        await rtc_client.until_frame(15)
    ports = {
        line.split()[5]
        for rtc_client in rtc_clients
        for line in rtc_client.peer.remoteDescription.sdp.splitlines()
        if "candidate:" in line
    }
    assert all(47100 <= int(port) <= 47163 for port in ports)

    full = RtcClient(silence(1))
    assert await call(Client(front), full) == 503
    for rtc_client in (*rtc_clients, full):
        await rtc_client.aclose()


async def test_killing_a_server_ends_only_its_sessions_which_resume_on_the_other(front: str) -> None:
    first, second = Client(front), Client(front)
    async with first.online() as (_, _), second.online() as (channel, _):
        assert first.server != second.server
        await channel.send(msgpack.packb({"type": "style.set", "style": "happy", "intensity": 0.7, "fade_ms": 100}))
        await channel.send(msgpack.packb({"type": "avatar.set", "avatar": "bob"}))
        rtc_client = RtcClient(np.zeros(48_000, np.int16))
        await call(second, rtc_client)
        await rtc_client.until_frame(15)
        await channel.send(msgpack.packb({"type": "session.update", "presenter": "news"}))
        lost, lasting = second.server, first.server

        async def sent_on() -> dict[str, str] | None:
            status, headers, _ = await post(f"{front}whep/news", b"")
            return headers if status == 307 else None

        headers = await until(sent_on, every=0.1)
        assert headers["location"].startswith(f"{lost}whep/news?token=")
        os.kill(process_at(lost), signal.SIGKILL)
        with suppress(ConnectionClosed):
            async with asyncio.timeout(60):
                while True:
                    await channel.recv()
        session = second.session
        async with second.online() as (_, again):
            assert second.session == again["session"] == session
            assert second.server == lasting
            assert (again["style"], again["intensity"], again["avatar"], again["fade_ms"]) == ("happy", 0.7, "bob", 100)
            other = RtcClient(silence(1))
            assert await call(second, other) == 201
            await other.until_frame(15)
            assert first.server == lasting
            await other.aclose()
        await rtc_client.aclose()


async def test_no_offer_is_lost_while_a_server_dies(front: str) -> None:
    clients = [Client(front) for _ in range(2 * PLACES)]
    rtc_clients = [RtcClient(silence(1)) for _ in clients]

    async def call_until_answered(client: Client, rtc_client: RtcClient) -> None:
        async def answered() -> bool:
            with suppress(OSError, asyncio.IncompleteReadError):
                return await call(client, rtc_client) == 201
            return False

        await until(answered, every=0.3)

    first = asyncio.create_task(call_until_answered(clients[0], rtc_clients[0]))
    await first
    os.kill(process_at(clients[0].server), signal.SIGKILL)
    async with asyncio.timeout(60):
        await asyncio.gather(*map(call_until_answered, clients[1:], rtc_clients[1:]))
    for rtc_client in rtc_clients[1:]:
        await rtc_client.until_frame(15)
    for rtc_client in rtc_clients:
        await rtc_client.aclose()
