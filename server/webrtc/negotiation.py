"""SDP negotiation: VP8 and Opus only, patched sender and receiver, configured addresses.

Runs on: event loop. Calls and viewers share it; they differ in their tracks and in the microphone.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import ifaddr
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver, RTCSessionDescription
from aiortc.codecs.base import Encoder
from aiortc.rtp import RtpPacket
from aiortc.sdp import SessionDescription

from server.config import ServerConfig
from server.webrtc.aiortc_patches import (
    offer_addresses,
    report_content_time,
    tap_packets,
    use_encoder,
)
from server.webrtc.packet_sending import send_frames_at_once
from server.webrtc.vp8_encoder import VIDEO_CLOCK_RATE, LiveVp8Encoder
from streaming.clock import MediaClock
from streaming.units import TICK_RATE
from styletalk_core.errors import StyleTalkError

CODECS = {"audio": ("audio/opus", TICK_RATE), "video": ("video/VP8", VIDEO_CLOCK_RATE)}
MAX_CANDIDATES = 64
"""Limit of candidates in an offer: ICE checks each one with every address of the server."""
MAX_NAMED_CANDIDATES = 8
"""Limit of mDNS candidates in an offer; each takes up to a second to resolve."""
SENDING = ("sendrecv", "sendonly")


logger = logging.getLogger(__name__)


class OfferRefused(StyleTalkError, ValueError):
    """The SDP offer cannot be answered; the message says why."""

    code = "bad_offer"
    status = 400


@dataclass(frozen=True, slots=True)
class MediaPath:
    """Addresses of media sockets: on ``addresses``, in the range ``ports`` of UDP ports (None: any).

    They are also offered at ``public``, the address that a router or container host maps to this machine.
    """

    addresses: Iterable[str]
    ports: range | None
    public: str = ""

    @classmethod
    def of(cls, config: ServerConfig) -> "MediaPath":
        """Return the configured one.

        A browser on this machine may be unable to send from or to 127.0.0.1, so a loopback server also offers its other
        addresses; media flows only after a DTLS handshake with the client of this call.
        """
        found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
        others = [address for address in found if not address.startswith("127.")]
        return cls(["127.0.0.1", *others] if config.loopback else others, config.udp_range(), config.public_address)


async def answer(
    peer: RTCPeerConnection,
    offer: str,
    tracks: tuple[MediaStreamTrack, MediaStreamTrack],
    clock: MediaClock,
    size: int,
    path: MediaPath,
    on_packet: Callable[[RtpPacket, bytes], None] | None = None,
    encoder: Encoder | None = None,
) -> int:
    """Answers an offer with ``tracks`` (audio, video); the answer is the peer's local description.

    Args:
        clock: of the session the tracks belong to, for the sender reports.
        size: of the video in pixels.
        on_packet: takes the microphone's packets; without it no audio is received.
        encoder: of the video; by default one of this peer's own.

    Returns:
        The number of tracks that the client accepts.

    Raises:
        OfferRefused: the offer is invalid, or lacks a microphone, VP8 or Opus.
    """
    check(offer)
    try:
        await peer.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
    except Exception as error:  # the library raises various exceptions on bad input
        raise OfferRefused("The body is not an SDP offer this server understands.") from error
    transceivers = {transceiver.kind: transceiver for transceiver in peer.getTransceivers()}
    if any(transceiver.receiver.transport is None for transceiver in transceivers.values()):
        raise OfferRefused("The offer's BUNDLE group does not fit its sections.")
    if on_packet is not None and transceivers["audio"].receiver.track is None:
        raise OfferRefused("The offer must send one microphone track.")
    for track in tracks:
        transceiver = transceivers[track.kind]
        codec, rate = CODECS[track.kind]
        _choose(transceiver, codec)
        transceiver.direction = "sendrecv" if track.kind == "audio" and on_packet else "sendonly"
        transceiver.sender.replaceTrack(track)
        report_content_time(transceiver.sender, partial(_content_time, clock, rate))
        send_frames_at_once(transceiver.sender)
    if on_packet is not None:
        tap_packets(transceivers["audio"].receiver, on_packet)
    use_encoder(transceivers["video"].sender, encoder or LiveVp8Encoder(size))
    offer_addresses(peer, path.addresses, path.ports, path.public)
    await peer.setLocalDescription(await peer.createAnswer())
    return sum(transceiver.currentDirection in SENDING for transceiver in transceivers.values())


def check(offer: str) -> None:
    """Checks that an offer describes one call, before any resource is reserved.

    Raises:
        OfferRefused: it does not.
    """
    try:
        described = SessionDescription.parse(offer)
    except Exception as error:  # the library's parser raises various exceptions on bad input
        raise OfferRefused("The body is not an SDP offer this server understands.") from error
    if sorted(media.kind for media in described.media if media.kind != "application") != ["audio", "video"]:
        raise OfferRefused("The offer must have one audio and one video section.")
    addresses = [candidate.ip for media in described.media for candidate in media.ice_candidates]
    if len(addresses) > MAX_CANDIDATES or sum(name.endswith(".local") for name in addresses) > MAX_NAMED_CANDIDATES:
        raise OfferRefused(
            f"The offer must have at most {MAX_CANDIDATES} ICE candidates, {MAX_NAMED_CANDIDATES} of them by name."
        )


async def close(peer: RTCPeerConnection) -> None:
    """Closes a connection in any state of its negotiation."""
    try:
        await peer.close()
    except Exception:  # the library has no state for an interrupted offer
        logger.exception("a peer connection was not closed completely")


def _choose(transceiver: RTCRtpTransceiver, codec: str) -> None:
    """Keeps only one codec and its retransmission format in the answer."""
    kind = transceiver.kind
    transceiver.setCodecPreferences(
        [
            capability
            for capability in RTCRtpSender.getCapabilities(kind).codecs
            if capability.mimeType in (codec, f"{kind}/rtx")
        ]
    )
    chosen = [common for common in transceiver._codecs if common.mimeType == codec]
    if not chosen:
        raise OfferRefused(f"The offer must contain {codec}.")
    kept = {common.payloadType for common in chosen}
    # a retransmission format of a codec that is not in the answer makes browsers refuse all of it
    transceiver._codecs = chosen + [c for c in transceiver._codecs if c.parameters.get("apt") in kept]


def _content_time(clock: MediaClock, rate: int, rtp: int) -> float:
    """Return the time when RTP time ``rtp`` of a track with clock rate ``rate`` is due, in seconds since 1970."""
    return clock.unix_deadline(rtp * TICK_RATE // rate)
