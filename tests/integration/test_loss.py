"""Proves the effect of packet loss, through a UDP relay with explicit lists of lost packets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiortc.jitterbuffer import JitterBuffer
from deterministic_engine import BRIGHT, DARK
from live_server import LiveServer, RtcClient, running_server, tone
from waiting import until

from server.lab.benchmarks.udp_relay import UdpRelay
from server.sessions.microphone_session import MicrophoneSession

HALF = (DARK + BRIGHT) / 2


@asynccontextmanager
async def relayed_call(server: LiveServer) -> AsyncIterator[tuple[RtcClient, MicrophoneSession, UdpRelay]]:
    relay = UdpRelay()
    await relay.open()
    rtc_client = RtcClient(tone(300, 1))
    assert await rtc_client.call(server, relay=relay) == 201
    await rtc_client.until_frame()
    await rtc_client.receive(1)
    try:
        yield rtc_client, server.service.clients.microphone_sessions()[0], relay
    finally:
        await rtc_client.aclose()
        relay.close()


def is_rtp(data: bytes) -> bool:
    """True for media: neither STUN, DTLS nor RTCP."""
    return 127 < data[0] < 192 and not 64 <= data[1] & 0x7F < 96


def numbers(lost: set[int]) -> Callable[[bytes], bool]:
    """Loses the media packets with these numbers, counted from now."""
    count = 0

    def lose(data: bytes) -> bool:
        nonlocal count
        if not is_rtp(data):
            return False
        count += 1
        return count - 1 in lost

    return lose


async def lateness(session: MicrophoneSession, seconds: float) -> float:
    """Minimum time in ms from the end of a packet until now: lag of the newest audio behind the clock."""
    samples = []
    for _ in range(round(seconds / 0.01)):
        samples.append(session.media_session.capture_tick() - session.media_session.arrived_tick)
        await asyncio.sleep(0.01)  # samples of a quantity that changes with real time
    return float(np.percentile(samples, 10)) / 48


async def test_one_lost_microphone_packet_is_concealed_and_leaves_no_delay() -> None:
    async with running_server() as server, relayed_call(server) as (rtc_client, session, relay):
        before = await lateness(session, 1)
        relay.lose_up(numbers({5}))
        await until(lambda: session.audio_receiver.lost)
        assert await lateness(session, 1) < max(before, 0) + 20
        assert session.audio_receiver.lost == 1
        audio = np.concatenate([samples for _, _, samples in rtc_client.audio])[-24_000:]
        assert np.abs(audio).max() > 3_000


@pytest.mark.parametrize("together", [1, 3])
async def test_two_percent_loss_both_ways_keeps_every_frame_and_the_delay(together: int) -> None:
    lost = {k + j for k in range(20, 4_000, 50 * together) for j in range(together)}
    async with running_server() as server, relayed_call(server) as (rtc_client, session, relay):
        before = await lateness(session, 1)
        relay.lose_up(numbers(lost))
        relay.lose_down(numbers(lost))
        stats = session.media_session.stats
        shown, sent = len(rtc_client.frames), stats.shown
        await rtc_client.receive(4)
        assert await lateness(session, 1) < max(before, 0) + 20
        assert session.audio_receiver.lost >= 3
        assert len(rtc_client.frames) - shown > 0.8 * (stats.shown - sent)


async def ask_for_a_new_start(rtc_client: RtcClient) -> None:
    """Requests a key frame, as browsers do after a long gap; aiortc would wait for packets that no longer exist."""
    receiver = next(t.receiver for t in rtc_client.peer.getTransceivers() if t.kind == "video")
    receiver._RTCRtpReceiver__jitter_buffer = JitterBuffer(capacity=128, is_video=True)
    await receiver._send_rtcp_pli(next(iter(receiver._RTCRtpReceiver__active_ssrc)))


async def test_after_ten_seconds_of_outage_the_avatar_speaks_again_within_a_second() -> None:
    async with running_server() as server, relayed_call(server) as (rtc_client, session, relay):
        relay.lose_up(lambda data: True)
        relay.lose_down(lambda data: True)
        await asyncio.sleep(10)  # the outage; the libraries on both sides keep real time
        assert server.service.clients.microphone_sessions() == [session]
        relay.lose_up(lambda data: False)
        relay.lose_down(lambda data: False)
        await ask_for_a_new_start(rtc_client)
        back = asyncio.get_running_loop().time()
        await until(lambda: [t for t, _, image in rtc_client.frames if t > back and image[5, 5] > HALF])
        assert asyncio.get_running_loop().time() - back < 1
