"""Proves that offers of every client are answered, or refused with the reason and without holding a slot."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from live_server import LiveServer, RtcClient, running_server, tone
from waiting import until

from server.sessions.microphone_session import CHANNEL_TIMEOUT_SECONDS
from server.webrtc import ice_fragment

OFFERS = Path(__file__).parents[1] / "data/offers"
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


def offer(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_text().replace("\n", "\r\n")


async def post(server: LiveServer, sdp: str, path: str = "/whip") -> tuple[int, str]:
    """Status and body, with every slot free after a refusal."""
    status, _, body = await server.http("POST", path, sdp.encode(), SDP)
    if status != 201:
        assert server.service.worker.free_slots == server.service.worker.slots
    return status, body.decode()


@pytest.mark.parametrize("name", ["chromium", "firefox", "firefox_mdns", "safari", "libdatachannel"])
async def test_the_offers_of_all_clients_are_answered_with_vp8_and_opus(name: str) -> None:
    async with running_server() as server:
        status, answer = await post(server, offer(name))
        assert status == 201, answer
        assert "VP8/90000" in answer and "opus/48000" in answer and "H264" not in answer
        assert answer.count("a=sendrecv") == 1 and answer.count("a=sendonly") == 1


def only_sending(sdp: str) -> str:
    return re.sub("a=(sendrecv|recvonly)", "a=sendonly", sdp)


def without_codec(sdp: str) -> str:
    return sdp.replace("VP8/90000", "VP9/90000")


def h264_without_parameters(sdp: str) -> str:
    return re.sub(r"a=fmtp:.*\r\n", "", sdp.replace("VP8/90000", "H264/90000"))


def without_multiplexing(sdp: str) -> str:
    return sdp.replace("a=rtcp-mux\r\n", "", 1)


def bundle_only(sdp: str) -> str:
    head, tail = sdp.split("m=video", 1)
    return head + "m=video" + re.sub(r"a=ice-.*\r\n|a=candidate.*\r\n", "", tail) + "a=bundle-only\r\n"


def complete_without_candidates(sdp: str) -> str:
    return re.sub(r"a=candidate.*\r\n", "", sdp).replace("a=mid:0", "a=end-of-candidates\r\na=mid:0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (only_sending, "must receive audio or video"),
        (without_codec, "must contain video/VP8"),
        (h264_without_parameters, "must contain video/VP8"),
        (without_multiplexing, "must have a=rtcp-mux"),
        (bundle_only, "must have a=ice-ufrag"),
        (complete_without_candidates, "has none"),
        (lambda sdp: sdp.split("m=video")[0], "one audio and one video section"),
        (lambda sdp: "hello", "one audio and one video section"),
        (lambda sdp: sdp.replace("m=video 9", "m=video nine"), "not an SDP offer"),
    ],
)
async def test_an_offer_that_cannot_be_answered_is_refused_with_the_reason(
    change: Callable[[str], str], reason: str
) -> None:
    async with running_server(slots=1) as server:
        status, body = await post(server, change(offer("chromium")))
        assert (status, reason in body) == (400, True), body


async def test_what_obs_sends_is_refused_with_one_sentence() -> None:
    async with running_server(slots=1) as server:
        status, body = await post(server, offer("obs"))
        assert status == 400 and "must receive audio or video" in body


async def test_h264_without_parameters_beside_vp8_is_no_obstacle() -> None:
    async with running_server() as server:
        sdp = offer("chromium").replace("VP9/90000", "H264/90000")
        assert (await post(server, re.sub(r"a=fmtp:\d+ profile-id=\d+\r\n", "", sdp)))[0] == 201


@asynccontextmanager
async def answered(server: LiveServer, trickling: bool = False) -> AsyncIterator[RtcClient]:
    """A call; ``trickling``: more candidates may come after the offer."""
    client = RtcClient(tone(300, 1))
    offered: Any = SimpleNamespace(offer=lambda sdp: sdp.replace("a=end-of-candidates\r\n", ""), answer=lambda sdp: sdp)
    try:
        assert await client.call(server, relay=offered if trickling else None) == 201
        yield client
    finally:
        await client.aclose()


def candidates(hosts: list[str]) -> bytes:
    lines = [f"a=candidate:{k} 1 udp {2113937151 - k} {host} {40_000 + k} typ host" for k, host in enumerate(hosts)]
    return "\r\n".join(["a=mid:0", *lines, ""]).encode()


class Names:
    """Replaces the lookup of names: none is found until eight are looked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._eight = asyncio.Event()

    async def protocol(self, subscriber: object) -> "Names":
        return self

    async def resolve(self, name: str) -> None:
        self.asked.append(name)
        if len(self.asked) == 8:
            self._eight.set()
        await self._eight.wait()


async def test_candidates_are_counted_and_looked_up_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names()
    monkeypatch.setattr("aioice.ice.get_or_create_mdns_protocol", names.protocol)
    monkeypatch.setattr(ice_fragment, "LOOKUP_SECONDS", 60.0)
    async with running_server() as server, answered(server, trickling=True) as client:

        async def patch(body: bytes, **headers: str) -> int:
            return (await server.http("PATCH", client.resource, body, FRAGMENT | headers))[0]

        assert await patch(candidates([f"192.0.2.{k % 250}" for k in range(1_000)])) == 400
        assert await patch(candidates([f"name-{k}.local" for k in range(9)])) == 400
        assert not names.asked
        named = [f"{k}2345678-0000-4000-8000-000000000000.local" for k in range(8)]
        monkeypatch.setattr(ice_fragment, "LOOKUP_SECONDS", 0.0)
        assert await patch(candidates(named[:1])) == 204  # nobody answers
        names.asked.clear()
        monkeypatch.setattr(ice_fragment, "LOOKUP_SECONDS", 60.0)
        assert await patch(candidates(named)) == 204
        assert sorted(names.asked) == named
        assert await patch(candidates(["192.0.2.1"]) + b"a=end-of-candidates\r\n") == 204
        assert await patch(b"a=candidate:what\r\n") == 400
        restart = b"a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
        assert await patch(restart, **{"If-Match": "*"}) == 422
        await client.until_frame()  # and the call goes on


async def test_viewers_trickle_too_and_everybody_is_told_what_can_be_posted() -> None:
    async with running_server(allow_origins="https://example.org") as server, server.control() as control:
        await control.send("presenter.start", name="news")
        await control.expect("presenter.started")
        viewer = RtcClient(None)
        assert await viewer.call(server, path="/whep/news") == 201
        assert (await server.http("PATCH", viewer.resource, candidates(["192.0.2.1"]), FRAGMENT))[0] == 204
        assert (await server.http("PATCH", "/whep/news/nobody", b"", FRAGMENT))[0] == 404
        for path in ("/whip", "/whep/news", viewer.resource):
            status, headers, _ = await server.http("OPTIONS", path, headers={"Origin": "https://example.org"})
            assert (status, headers["accept-post"]) == (204, "application/sdp")
            assert headers["access-control-allow-origin"] == "https://example.org"
            asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "PATCH"}
            assert (await server.http("OPTIONS", path, headers=asked))[0] == 200
        await viewer.aclose()


async def test_a_client_that_comes_back_takes_over_its_own_slot() -> None:
    async with running_server(slots=1) as server:
        first = RtcClient(tone(300, 1))
        assert await first.call(server) == 201
        await first.until_frame()
        for transceiver in first.peer.getTransceivers():  # the page is gone and sends nothing, not even a goodbye
            connection = transceiver.receiver.transport.transport._connection
            for protocol in connection._protocols:
                protocol.transport.abort()
        again = RtcClient(tone(300, 1))
        assert await again.call(server) == 201
        await again.until_frame()
        await asyncio.gather(first.aclose(), again.aclose())


async def test_nobody_takes_the_slot_of_a_client_that_is_there() -> None:
    async with running_server(slots=1) as server, answered(server) as client:
        await client.until_frame()
        other = RtcClient(tone(300, 1))
        assert await other.call(server) == 503
        await other.aclose()


async def test_a_client_without_microphone_packets_stays_as_long_as_it_answers() -> None:
    async with running_server(slots=1) as server, answered(server) as client:
        await client.until_frame()
        for sender in client.peer.getSenders():
            if sender.kind == "audio":
                sender.replaceTrack(None)
        session = server.service.clients.microphone_sessions()[0]
        last_packet = session.audio_receiver.received
        muted = asyncio.get_running_loop().time()
        await until(lambda: (session._heard or 0) > muted + CHANNEL_TIMEOUT_SECONDS)  # it goes on sending RTCP
        assert session.audio_receiver.received - last_packet < 20
        assert server.service.clients.microphone_sessions() == [session]
