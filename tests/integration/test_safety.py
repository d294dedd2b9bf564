"""Proves the limits of a running server: number and duration of sessions, and the errors beyond them."""

import asyncio
import json
import logging
import os
import re
from pathlib import Path

import msgpack
import numpy as np
import pytest
from live_server import Control, RtcClient, running_server, silence
from ports import free_udp_ports
from waiting import until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server import logs
from server.provenance.ai_label import AI_LABEL
from server.sessions.clients import Clients

KEY = "a key that must stay secret"
TURN = {"turn_urls": "turn:turn.example:3478", "turn_secret": "the relay's secret"}


async def test_a_session_receives_the_ai_label_and_the_turn_servers() -> None:
    async with running_server(**TURN) as server, server.control() as control:
        created = control.created
        assert created["generated"] == AI_LABEL
        (relay,) = created["ice_servers"]
        assert relay["urls"] == ["turn:turn.example:3478"]
        assert relay["username"].endswith(f":{created['session']}")
        rtc_client = RtcClient(silence(1))
        await rtc_client.peer.setLocalDescription(await rtc_client.peer.createOffer())
        offer, kind = rtc_client.peer.localDescription.sdp.encode(), {"Content-Type": "application/sdp"}
        status, headers, _ = await server.http("POST", "/whip", offer, kind)
        assert status == 201 and headers["digital-source-type"] == AI_LABEL["digital_source_type"]
        assert headers["link"].startswith('<turn:turn.example:3478>; rel="ice-server"')
        listed = await server.json("/api/ice-servers")
        assert listed["ice_servers"][0]["urls"] == relay["urls"] and listed["expires_in"] == 3600
        await rtc_client.aclose()


async def test_a_token_made_with_the_key_opens_a_session_and_nothing_else() -> None:
    async with running_server(api_key=KEY) as server:
        bearer = {"Authorization": f"Bearer {KEY}"}
        assert (await server.http("POST", "/api/tokens"))[0] == 401
        status, _, body = await server.http("POST", "/api/tokens", b'{"seconds": 60}', bearer)
        made = json.loads(body)
        assert status == 201 and made["expires_in"] == 60
        for bad in (b"{", b"[]", b'{"seconds": 0}', b'{"seconds": true}', b'{"seconds": 1e9}', bytes(2000)):
            assert 400 <= (await server.http("POST", "/api/tokens", bad, bearer))[0] < 500
        with pytest.raises(InvalidStatus, match="401"):
            await connect(f"ws://127.0.0.1:{server.port}/ws")
        async with connect(f"ws://127.0.0.1:{server.port}/ws?token={made['token']}") as socket:
            assert msgpack.unpackb(await socket.recv())["type"] == "session.created"
            for wish in ({"type": "presenter.start", "name": "a"}, {"type": "recording.start"}):
                await socket.send(msgpack.packb(wish))
            channel = Control(socket)
            await channel.expect("presenter.started")
            assert (await channel.expect("error"))["code"] == "forbidden"
        talker = {"Authorization": f"Bearer {made['token']}"}
        assert (await server.http("DELETE", "/api/styles/mine", headers=talker))[0] == 403


async def test_an_address_has_only_so_many_sessions() -> None:
    async with (
        running_server(sessions_per_address=2) as server,
        server.control() as first,
        server.control(),
    ):
        async with connect(f"ws://127.0.0.1:{server.port}/ws") as third:
            refusal = msgpack.unpackb(await third.recv())
            assert (refusal["type"], refusal["code"]) == ("error", "too_many_sessions")
            with pytest.raises(ConnectionClosed):
                await third.recv()
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server) == 429
        assert await rtc_client.call(server, first.created["session"]) == 201
        await rtc_client.aclose()


async def test_a_session_that_lasts_too_long_is_ended_with_a_reason() -> None:
    async with running_server() as server, server.control() as control:
        server.service.clients._max_session_seconds = 0.5
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server, control.created["session"]) == 201
        assert (await control.expect("error"))["code"] == "session_expired"
        await until(lambda: not server.service.clients.microphone_sessions())
        await rtc_client.aclose()


async def test_no_more_ports_than_the_range_has_and_the_next_client_is_rejected() -> None:
    (port,) = free_udp_ports(1)
    async with running_server(udp_ports=f"{port}-{port}") as server:
        addresses = len(list(server.service.media_path().addresses))
        first, second = RtcClient(silence(1)), RtcClient(silence(1))
        assert await first.call(server) == 201
        assert first.peer.remoteDescription.sdp.count(f" {port} typ host") >= addresses
        assert await second.call(server) == 503
        assert len(server.service.clients.microphone_sessions()) == 1
        await first.aclose()
        await second.aclose()


async def test_a_public_address_is_offered_with_the_same_port() -> None:
    ports = free_udp_ports(3)
    async with running_server(udp_ports=f"{ports[0]}-{ports[-1]}", public_address="198.51.100.7") as server:
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server) == 201
        offered = re.findall(r" 198\.51\.100\.7 (\d+) ", rtc_client.peer.remoteDescription.sdp)
        assert offered and {int(port) for port in offered} <= set(ports)
        await rtc_client.until_frame()
        await rtc_client.aclose()


async def test_a_flood_of_messages_is_answered_slowly_and_harms_nobody() -> None:
    async with running_server() as server, server.control() as calm, server.control() as flooding:
        flood = msgpack.packb({"type": "ping", "t": bytes(4_000)})

        async def send() -> None:
            for _ in range(100_000):
                await flooding.socket.send(flood)

        sending = asyncio.create_task(send())
        before = _resident()
        await asyncio.sleep(2)  # the server measures the flood by the real clock
        await calm.send("ping", t=1)
        assert (await calm.expect("pong"))["t"] == 1
        assert not sending.done()  # the answer was not kept until the flood was over
        assert _resident() - before < 30e6
        sending.cancel()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_a_draining_server_lets_calls_end_and_takes_no_more() -> None:
    async with running_server() as server, server.control() as control:
        rtc_client = RtcClient(np.zeros(48_000, np.int16))
        assert await rtc_client.call(server, control.created["session"]) == 201
        await rtc_client.until_frame()
        draining = asyncio.create_task(server.service.drain(600))
        assert (await control.expect("server.draining"))["seconds"] == 600
        status, headers, body = await server.http("GET", "/readyz")
        assert (status, json.loads(body)["code"]) == (503, "draining") and "retry-after" in headers
        with pytest.raises(InvalidStatus, match="503"):
            await connect(f"ws://127.0.0.1:{server.port}/ws")
        late = RtcClient(silence(1))
        assert await late.call(server) == 503
        seen = len(rtc_client.frames)
        await rtc_client.receive(0.5)
        assert len(rtc_client.frames) > seen and not draining.done()
        assert (await server.http("DELETE", rtc_client.resource))[0] == 200
        await asyncio.wait_for(draining, 60)
        await rtc_client.aclose()
        await late.aclose()


async def test_a_drain_that_takes_too_long_ends() -> None:
    async with running_server() as server:
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server) == 201
        await asyncio.wait_for(server.service.drain(0.2), 60)
        assert server.service.clients.microphone_sessions()
        await rtc_client.aclose()


async def test_no_secret_and_every_session_is_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.root.handlers[:]
    logs.configure("json", (KEY, TURN["turn_secret"]))
    try:
        async with running_server(api_key=KEY, **TURN) as server:
            path = f"/api/styles?key={KEY.replace(' ', '%20')}"
            assert (await server.http("GET", path))[0] == 200
            logging.getLogger("server").error("GET %s with %s and token=abc.def", path, KEY)
            rtc_client = RtcClient(silence(1))
            await rtc_client.peer.setLocalDescription(await rtc_client.peer.createOffer())
            headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {KEY}"}
            offer = rtc_client.peer.localDescription.sdp.encode()
            _, answered, _ = await server.http("POST", "/whip", offer, headers)
            await rtc_client.aclose()
    finally:
        logging.root.handlers[:] = before
    written = capfd.readouterr().err
    records = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert KEY not in written and TURN["turn_secret"] not in written and "abc.def" not in written
    assert any(record.get("session") == answered["x-session"] for record in records)


def test_sessions_are_counted_by_address_only_while_they_last() -> None:
    clients = Clients(max_per_address=1)
    settings = object()
    absent = clients.get_or_create(None, settings, "192.0.2.1")  # type: ignore[arg-type]
    again = clients.get_or_create(None, settings, "192.0.2.1")  # type: ignore[arg-type]
    assert absent is not again


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("m=audio", "x=audio"),
        ("a=group:BUNDLE 0 1", "a=group:BUNDLE 9 1"),
        ("a=candidate", "a=candidate:1 1 udp 1 a.local 9 typ host\r\n" * 9 + "a=candidate"),
    ],
)
async def test_an_offer_that_breaks_off_midway_takes_no_slot(before: str, after: str) -> None:
    async with running_server() as server:
        rtc_client = RtcClient(silence(1))
        await rtc_client.peer.setLocalDescription(await rtc_client.peer.createOffer())
        offer = rtc_client.peer.localDescription.sdp
        assert before in offer
        for _ in range(server.service.worker.slots + 1):
            kind = {"Content-Type": "application/sdp"}
            assert (await server.http("POST", "/whip", offer.replace(before, after).encode(), kind))[0] == 400
        assert await rtc_client.call(server) == 201
        await rtc_client.aclose()
