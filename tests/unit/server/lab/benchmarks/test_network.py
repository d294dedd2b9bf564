"""Proves that the benchmark network forwards everything, announces the relay to peers, and is dead when cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.lab.benchmarks.network import Network, NetworkPath

OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=candidate:1 1 udp 2113937151 127.0.0.1 5004 typ host\r\n"


@asynccontextmanager
async def network_before(answer: bytes) -> AsyncIterator[tuple[Network, list[bytes]]]:
    """A network before a server that gives one answer; and what that server has been asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1 << 16))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    network = Network(server.sockets[0].getsockname()[1])
    await network.open()
    try:
        yield network, asked
    finally:
        await network.aclose()
        server.close()


async def ask(network: Network, request: bytes, seconds: float = 60.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", network.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), seconds)
    finally:
        writer.close()


async def test_an_offer_and_its_answer_lead_to_the_relay() -> None:
    sdp = b"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: /whip/1\r\nContent-Length: %d\r\n\r\n%s"
    answer = OFFER.replace("5004", "6006").encode()
    async with network_before(sdp % (len(answer), answer)) as (network, asked):
        head = "POST /whip HTTP/1.1\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{}"
        got = await ask(network, head.format(len(OFFER), OFFER).encode())
    assert b"127.0.0.1 5004 " not in asked[0] and b"typ host" in asked[0]
    assert b"127.0.0.1 6006 " not in got and b"typ host" in got
    assert b"Location: /whip/1" in got
    for message in (asked[0], got):
        top, _, body = message.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in top.split(b"\r\n")


async def test_what_was_under_way_when_it_was_cut_never_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    swallowed, crossed = asyncio.Event(), NetworkPath.crossed

    async def noted(path: NetworkPath) -> None:
        if not path.alive:
            swallowed.set()
        await crossed(path)

    monkeypatch.setattr(NetworkPath, "crossed", noted)
    async with network_before(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (network, asked):
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        assert (await ask(network, request)).endswith(b"ok")
        network.cut()
        hanging = asyncio.create_task(ask(network, request, seconds=0.5))
        await asyncio.wait_for(swallowed.wait(), 60)
        network.restore()
        assert (await ask(network, request)).endswith(b"ok")
        with pytest.raises(TimeoutError):
            await hanging
    assert len(asked) == 2
