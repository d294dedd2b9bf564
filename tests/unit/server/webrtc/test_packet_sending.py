"""Proves that the sender loop sends the same packets as aiortc's own, and that the library can still send
them again, report on them and stop them."""

import asyncio
from typing import Any

import aiortc.rtcrtpsender
import pytest
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters, RTCRtpSendParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import HeaderExtensionsMap, RtpPacket, is_rtcp

from server.webrtc import packet_sending
from server.webrtc.aiortc_patches import PatchError

EXTENSIONS = [
    RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid"),
    RTCRtpHeaderExtensionParameters(id=2, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    RTCRtpHeaderExtensionParameters(id=3, uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
]
CODEC = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
FRAMES = [
    RTCEncodedFrame([b"a" * 1_200, b"b" * 1_200, b"c" * 77], 3_000, None),
    RTCEncodedFrame([], 6_000, None),
    RTCEncodedFrame([b"d"], 9_000, -23),
]


class Wire:
    """Replaces the encrypted transport of a sender."""

    state = "connected"

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def _send_rtp(self, data: bytes) -> None:
        self.sent.append(data)

    def _register_rtp_sender(self, *args: Any) -> None: ...

    def _unregister_rtp_sender(self, *args: Any) -> None: ...


class Silent(MediaStreamTrack):
    kind = "video"

    async def recv(self) -> Any:
        raise AssertionError("frames come encoded here")


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers and clocks that are the same for both loops."""
    for module in (aiortc.rtcrtpsender, packet_sending):
        monkeypatch.setattr(module, "random_sequence_number", lambda: 0xFFFE)
        monkeypatch.setattr(module, "random32", lambda: 0xFFFFF000)
    monkeypatch.setattr("aiortc.clock.current_ntp_time", lambda: 0x1234_5678_9ABC_DEF0)
    monkeypatch.setattr(packet_sending, "current_ntp_time", lambda: 0x1234_5678_9ABC_DEF0)


async def sending(ours: bool, frames: list[RTCEncodedFrame], end: BaseException | None = None) -> tuple[Any, Wire]:
    """A sender that has sent the frames."""
    wire = Wire()
    sender = RTCRtpSender(Silent(), wire)
    sender._ssrc = 0xCAFE
    done = asyncio.Event()
    left = list(frames)

    async def next_encoded_frame(codec: Any) -> RTCEncodedFrame:
        if left:
            return left.pop(0)
        done.set()
        if end is not None:
            raise end
        await asyncio.Event().wait()
        raise AssertionError

    sender._next_encoded_frame = next_encoded_frame
    if ours:
        packet_sending.send_frames_at_once(sender)
    await sender.send(RTCRtpSendParameters(codecs=[CODEC], headerExtensions=EXTENSIONS, muxId="7"))
    await done.wait()
    return sender, wire


def media(wire: Wire) -> list[bytes]:
    return [data for data in wire.sent if not is_rtcp(data)]


async def test_what_goes_out_is_the_same_bit_by_bit(fixed: None) -> None:
    seen = []
    for ours in (True, False):
        sender, wire = await sending(ours, FRAMES)
        counters = [getattr(sender, f"_RTCRtpSender__{name}") for name in packet_sending._USED if "_count" in name]
        seen.append((media(wire), counters, sender._RTCRtpSender__rtp_timestamp))
        await sender.stop()
    assert seen[0] == seen[1]
    assert len(seen[0][0]) == 4 and seen[0][1] == [2_478, 4]


async def test_a_lost_packet_is_sent_again_and_the_number_goes_round(fixed: None) -> None:
    sender, wire = await sending(True, FRAMES)
    sent = media(wire)
    names = HeaderExtensionsMap()
    names.configure(RTCRtpSendParameters(headerExtensions=EXTENSIONS))
    packets = [RtpPacket.parse(data, names) for data in sent]
    assert [packet.sequence_number for packet in packets] == [0xFFFE, 0xFFFF, 0, 1]
    assert [packet.marker for packet in packets] == [0, 0, 1, 1]
    assert packets[0].extensions.mid == "7" and packets[3].extensions.audio_level == (False, 23)
    await sender._retransmit(0xFFFF)
    assert media(wire)[-1] == sent[1]
    await sender.stop()


@pytest.mark.parametrize("end", [MediaStreamError(), ConnectionError(), ValueError("an encoder's")])
async def test_a_loop_that_ends_by_itself_can_be_stopped(end: BaseException) -> None:
    sender, _ = await sending(True, FRAMES[:1], end)
    await asyncio.wait_for(sender.stop(), 60)
    assert sender.track is None


def test_another_aiortc_is_refused() -> None:
    with pytest.raises(PatchError, match="encoder, mid"):
        packet_sending.send_frames_at_once(object())
