"""Proves every patch against the installed aiortc, so that an incompatible upgrade fails here."""

import asyncio
import random
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection
from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket, is_rtcp
from ports import free_udp_ports
from waiting import until

from server.webrtc import aiortc_patches as patches
from server.webrtc.vp8_encoder import LiveVp8Encoder


def picture(value: int, size: int = 256) -> av.VideoFrame:
    yuv = np.full((size * 3 // 2, size), 128, np.uint8)
    yuv[:size] = (
        np.random.default_rng(value).integers(0, 255, (size // 8, size // 8), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
    frame.time_base = Fraction(1, 90_000)
    frame.pts = value * 3_000
    return frame


class PacedPictures(MediaStreamTrack):
    """Frames released ``late`` seconds after they are due."""

    kind = "video"

    def __init__(self, late: float) -> None:
        super().__init__()
        self._late, self._count = late, 100

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(1 / 30 + (self._late if self._count == 100 else 0))  # sent at the pace of real frames
        self._count += 1
        return picture(self._count, 64)


async def connect(sender: RTCPeerConnection, receiver: RTCPeerConnection) -> None:
    await sender.setLocalDescription(await sender.createOffer())
    await receiver.setRemoteDescription(sender.localDescription)
    await receiver.setLocalDescription(await receiver.createAnswer())
    await sender.setRemoteDescription(receiver.localDescription)


async def pair(track: MediaStreamTrack) -> tuple[RTCPeerConnection, RTCPeerConnection]:
    sender, receiver = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    sender.addTransceiver(track, "sendonly")
    return sender, receiver


async def test_sender_reports_carry_the_time_of_the_content() -> None:
    began = 1_700_000_000.0
    sender, receiver = await pair(PacedPictures(late=0.3))
    rtp_sender = sender.getSenders()[0]
    sent: list[bytes] = []
    timestamps: list[int] = []
    original_send = rtp_sender.transport._send_rtp

    async def send(data: bytes) -> None:
        sent.append(data)
        await original_send(data)

    rtp_sender.transport._send_rtp = send
    patches.report_content_time(rtp_sender, lambda rtp: timestamps.append(rtp) or began + rtp / 90_000)
    await connect(sender, receiver)

    def reports() -> list[RtcpSrPacket]:
        found = [p for d in sent if is_rtcp(d) for p in RtcpPacket.parse(d) if isinstance(p, RtcpSrPacket)]
        return [report for report in found if report.sender_info.packet_count > 0]

    await until(lambda: len(reports()) >= 2, every=0.1)
    origin = next(RtpPacket.parse(data).timestamp for data in sent if not is_rtcp(data)) - 101 * 3_000
    for report in reports():
        content = ((report.sender_info.rtp_timestamp - origin) & 0xFFFFFFFF) / 90_000
        reported = report.sender_info.ntp_timestamp / (1 << 32) - patches.NTP_UNIX_OFFSET - began
        assert reported == pytest.approx(content, abs=0.001)
    await asyncio.gather(sender.close(), receiver.close())


async def test_tapped_packets_arrive_at_once_and_no_buffer_holds_them() -> None:
    sender, receiver = await pair(PacedPictures(late=0))
    seen: list[tuple[int, bytes]] = []

    @receiver.on("track")
    def tap(track: MediaStreamTrack) -> None:
        patches.tap_packets(receiver.getReceivers()[0], lambda packet, data: seen.append((packet.timestamp, data)))

    await connect(sender, receiver)
    await until(lambda: len({timestamp for timestamp, _ in seen}) >= 5)
    assert all(isinstance(data, bytes) and data for _, data in seen)
    await asyncio.gather(sender.close(), receiver.close())


@pytest.mark.parametrize("count", [0, 10])
async def test_only_the_given_addresses_and_ports_are_offered(count: int) -> None:
    ports = free_udp_ports(count) if count else None
    sender, receiver = await pair(PacedPictures(late=0))
    await sender.setLocalDescription(await sender.createOffer())
    await receiver.setRemoteDescription(sender.localDescription)
    patches.offer_addresses(receiver, ["127.0.0.1"], ports)
    await receiver.setLocalDescription(await receiver.createAnswer())
    candidates = [line.split() for line in receiver.localDescription.sdp.splitlines() if line.startswith("a=candidate")]
    assert {candidate[4] for candidate in candidates} == {"127.0.0.1"}
    assert ports is None or all(int(candidate[5]) in ports for candidate in candidates)
    await asyncio.gather(sender.close(), receiver.close())


def test_a_moved_private_part_is_noticed() -> None:
    class Empty:
        pass

    anything: Any = Empty()
    with pytest.raises(patches.PatchError, match="Empty"):
        patches.use_encoder(anything, LiveVp8Encoder(256))
    with pytest.raises(patches.PatchError):
        patches.tap_packets(anything, lambda packet, data: None)


def test_ntp_time_has_the_resolution_that_alignment_needs() -> None:
    base = 1_700_000_000.0 + random.random()
    difference = patches.ntp_time(base + 0.001) - patches.ntp_time(base)
    assert difference / (1 << 32) == pytest.approx(0.001, abs=2e-6)
