"""All patches of aiortc and aioice, except for the sender's loop.

Runs on: event loop. Every function works on one instance and touches private
attributes of the pinned version; a name that has moved raises `PatchError` when a call is set up, and the tests run
each function against the real library.

Changes and their reasons:

* The microphone's receive buffer adds 80 ms, and 300 ms permanently after one lost packet: `tap_packets`.
* Sender reports carry the time of sending, so that any delay of video relative to audio becomes a lip-sync error that
  the browser never corrects: `report_content_time`.
* The library chooses the encoder, with settings for conference cameras: `use_encoder`, with a `LiveVp8Encoder`.
* Every packet repeats work that is needed once per frame: `packet_sending.py`.
* ICE excludes loopback and has no port range: `offer_addresses`.
"""

import asyncio
import random
import socket
from collections.abc import Callable, Iterable
from typing import Any

import aioice
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.codecs.base import Encoder
from aiortc.rtp import RtpPacket

from styletalk_core.errors import StyleTalkError

NTP_UNIX_OFFSET = 2_208_988_800  # seconds from 1900 to 1970
SOCKET_BUFFER = 1 << 20  # bytes


class PatchError(RuntimeError):
    """The installed aiortc or aioice is not the one these patches were written for."""


def _set_private(target: object, name: str, value: object) -> None:
    if not hasattr(target, name):
        raise PatchError(f"{type(target).__name__} of this aiortc version has no {name}")
    setattr(target, name, value)


# Receiving


class _PacketTap:
    """Replaces the receiver's jitter buffer and never completes a frame."""

    def __init__(self, on_packet: Callable[[RtpPacket, bytes], None]) -> None:
        self._on_packet = on_packet

    def add(self, packet: Any) -> tuple[bool, None]:
        self._on_packet(packet, packet._data)
        return False, None


def tap_packets(receiver: RTCRtpReceiver, on_packet: Callable[[RtpPacket, bytes], None]) -> None:
    """Passes every packet with its payload to ``on_packet`` on arrival, instead of buffering it."""
    _set_private(receiver, "_RTCRtpReceiver__jitter_buffer", _PacketTap(on_packet))


# Sending


def ntp_time(unix: float) -> int:
    """Return seconds since 1970 as a 64-bit NTP timestamp."""
    return int((unix + NTP_UNIX_OFFSET) * (1 << 32))


def report_content_time(sender: RTCRtpSender, unix_of: Callable[[int], float]) -> None:
    """Makes sender reports carry the time when the last packet's content is due, not when it was sent.

    Args:
        unix_of: RTP time since the start of the track to seconds since 1970; the same clock for both tracks.
    """
    original = sender._next_encoded_frame
    last: int | None = None

    async def next_encoded_frame(codec: Any) -> Any:
        # Called as soon as the previous frame has left: nothing else runs between its last packet and this line.
        nonlocal last
        if last is not None:
            _set_private(sender, "_RTCRtpSender__ntp_timestamp", ntp_time(unix_of(last)))
        frame = await original(codec)
        if frame is not None:
            last = frame.timestamp
        return frame

    _set_private(sender, "_next_encoded_frame", next_encoded_frame)


def use_encoder(sender: RTCRtpSender, encoder: Encoder) -> None:
    """Encodes with ``encoder`` instead of the library's choice; call it before the first frame."""
    _set_private(sender, "_RTCRtpSender__encoder", encoder)


# Connecting


class NoMediaPort(StyleTalkError, OSError):
    """All UDP ports for media are in use."""

    code = "no_media_port"
    status = 503


def offer_addresses(
    peer: RTCPeerConnection,
    addresses: Iterable[str],
    ports: range | None = None,
    public: str = "",
    on_datagram: Callable[[], None] = lambda: None,
) -> None:
    """Limits the peer's host candidates to ``addresses``, bound to free UDP ports of ``ports`` (None: any).

    Call it between setting the remote and the local description, which then raises NoMediaPort when no port is free.

    Args:
        public: an address at which the ports are reachable from outside, offered as well.
        on_datagram: called for every datagram that arrives.
    """
    hosts = list(addresses)
    for connection in {t.receiver.transport.transport.iceGatherer._connection for t in peer.getTransceivers()}:

        async def candidates(
            component: int, addresses: list[str], connection: Any = connection
        ) -> list[aioice.Candidate]:
            protocols = [await _bind(connection, component, host, ports, on_datagram) for host in hosts]
            found = [protocol for protocol in protocols if protocol is not None]
            if not found:
                raise NoMediaPort("no UDP port is free for media")
            connection._protocols += found
            own = [protocol.local_candidate for protocol in found]
            return own + _outside(own, public)

        if not isinstance(getattr(connection, "_protocols", None), list):
            raise PatchError("the aioice connection of this version has no list of protocols")
        _set_private(connection, "get_component_candidates", candidates)


def _outside(candidates: list[aioice.Candidate], public: str) -> list[aioice.Candidate]:
    """Return the first candidate of the same IP version as ``public``, with that address; empty without one."""
    if not public or any(candidate.host == public for candidate in candidates):
        return []
    alike = [candidate for candidate in candidates if (":" in candidate.host) == (":" in public)]
    return [_host_candidate(candidate.component, public, candidate.port) for candidate in alike[:1]]


def _host_candidate(component: int, address: str, port: int) -> aioice.Candidate:
    return aioice.Candidate(
        foundation=candidate_foundation("host", "udp", address),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=address,
        port=port,
        type="host",
    )


class _TappedProtocol(StunProtocol):
    """Socket that tells of every datagram: a muted client sends RTCP and STUN only."""

    def __init__(self, connection: Any, on_datagram: Callable[[], None]) -> None:
        super().__init__(connection)
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        self._on_datagram()
        super().datagram_received(data, addr)


async def _bind(
    connection: Any, component: int, host: str, ports: range | None, on_datagram: Callable[[], None]
) -> Any:
    """Return a socket on ``host`` with its candidate; None when no address or port is available."""
    loop = asyncio.get_running_loop()
    for port in [0] if ports is None else random.sample(ports, len(ports)):
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: _TappedProtocol(connection, on_datagram), local_addr=(host, port)
            )
        except OSError:
            continue
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        address, bound = transport.get_extra_info("sockname")[:2]
        protocol.local_candidate = _host_candidate(component, address, bound)
        return protocol
    return None
