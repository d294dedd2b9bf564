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
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtp import RtpPacket

from server.config import ServerConfig
from server.webrtc.aiortc_patches import (
    offer_addresses,
    report_content_time,
    tap_packets,
    use_encoder,
)
from server.webrtc.offer import CODECS, OfferRefused, usable
from server.webrtc.packet_sending import send_frames_at_once
from server.webrtc.vp8_encoder import VIDEO_CLOCK_RATE, LiveVp8Encoder
from streaming.clock import MediaClock
from streaming.units import TICK_RATE

CLOCK_RATES = {"audio": TICK_RATE, "video": VIDEO_CLOCK_RATE}
SENDING = ("sendrecv", "sendonly")


logger = logging.getLogger(__name__)


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
    on_datagram: Callable[[], None] = lambda: None,
) -> int:
    """Answers an offer with ``tracks`` (audio, video); the answer is the peer's local description.

    Args:
        clock: of the session the tracks belong to, for the sender reports.
        size: of the video in pixels.
        on_packet: takes the microphone's packets; without it no audio is received.
        encoder: of the video; by default one of this peer's own.
        on_datagram: called for whatever the client sends: RTP, RTCP or STUN.

    Returns:
        The number of tracks that the client accepts.

    Raises:
        OfferRefused: the offer is invalid, or lacks a microphone, VP8 or Opus.
    """
    described = usable(offer)
    try:
        await peer.setRemoteDescription(RTCSessionDescription(sdp=str(described), type="offer"))
    except Exception as error:  # the library raises various exceptions on bad input
        raise OfferRefused("The body is not an SDP offer this server understands.") from error
    transceivers = {transceiver.kind: transceiver for transceiver in peer.getTransceivers()}
    if any(transceiver.receiver.transport is None for transceiver in transceivers.values()):
        raise OfferRefused("The offer's BUNDLE group does not fit its sections.")
    if on_packet is not None and transceivers["audio"].receiver.track is None:
        raise OfferRefused("The offer must send one microphone track.")
    for track in tracks:
        transceiver = transceivers[track.kind]
        _choose(transceiver, CODECS[track.kind])
        transceiver.direction = "sendrecv" if track.kind == "audio" and on_packet else "sendonly"
        transceiver.sender.replaceTrack(track)
        _prepare(transceiver.sender, track.kind, clock)
    if on_packet is not None:
        tap_packets(transceivers["audio"].receiver, on_packet)
    use_encoder(transceivers["video"].sender, encoder or LiveVp8Encoder(size))
    offer_addresses(peer, path.addresses, path.ports, path.public, on_datagram)
    await peer.setLocalDescription(await peer.createAnswer())
    return sum(transceiver.currentDirection in SENDING for transceiver in transceivers.values())


async def offer(
    peer: RTCPeerConnection,
    tracks: tuple[MediaStreamTrack, MediaStreamTrack],
    clock: MediaClock,
    path: MediaPath,
    encoder: Encoder,
) -> None:
    """Offers to send ``tracks`` (audio, video); the offer is the peer's local description.

    Args:
        clock: of the session the tracks belong to, for the sender reports.
        encoder: of the video.

    Raises:
        NoMediaPort: all UDP ports for media are in use.
    """
    for track in tracks:
        transceiver = peer.addTransceiver(track, direction="sendonly")
        transceiver.setCodecPreferences(_capabilities(track.kind))
        _prepare(transceiver.sender, track.kind, clock)
        if track.kind == "video":
            use_encoder(transceiver.sender, encoder)
    offer_addresses(peer, path.addresses, path.ports, path.public)
    await peer.setLocalDescription(await peer.createOffer())


async def close(peer: RTCPeerConnection) -> None:
    """Closes a connection in any state of its negotiation."""
    try:
        await peer.close()
    except Exception:  # the library has no state for an interrupted offer
        logger.exception("a peer connection was not closed completely")


def _choose(transceiver: RTCRtpTransceiver, codec: str) -> None:
    """Keeps only one codec and its retransmission format in the answer."""
    transceiver.setCodecPreferences(_capabilities(transceiver.kind))
    chosen = [common for common in transceiver._codecs if common.mimeType == codec]
    if not chosen:
        raise OfferRefused(f"The offer must contain {codec}.")
    kept = {common.payloadType for common in chosen}
    # a retransmission format of a codec that is not in the answer makes browsers refuse all of it
    transceiver._codecs = chosen + [c for c in transceiver._codecs if c.parameters.get("apt") in kept]


def _capabilities(kind: str) -> list[RTCRtpCodecCapability]:
    """Return the codec that is sent, and its retransmission format."""
    capabilities: list[RTCRtpCodecCapability] = RTCRtpSender.getCapabilities(kind).codecs
    return [capability for capability in capabilities if capability.mimeType in (CODECS[kind], f"{kind}/rtx")]


def _prepare(sender: RTCRtpSender, kind: str, clock: MediaClock) -> None:
    """Makes a sender report the time of its content and send a frame's packets at once."""
    report_content_time(sender, partial(_content_time, clock, CLOCK_RATES[kind]))
    send_frames_at_once(sender)


def _content_time(clock: MediaClock, rate: int, rtp: int) -> float:
    """Return the time when RTP time ``rtp`` of a track with clock rate ``rate`` is due, in seconds since 1970."""
    return clock.unix_deadline(rtp * TICK_RATE // rate)
