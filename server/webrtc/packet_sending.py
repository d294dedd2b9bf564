"""RTP sender loop that replaces aiortc's: work common to the packets of a frame is done once.

aiortc reads the clock and builds header extensions and log arguments for every packet. A frame has about five packets,
sent at the same moment, so they can share a send time; the receiver's bandwidth estimate treats them as one group
anyway. The output is otherwise bit-identical, and the library itself retransmits lost packets.

Runs on: event loop. Touches private attributes of the pinned aiortc, as `aiortc_patches.py` does, and is tested against
the real library.
"""

import asyncio
import logging
from functools import partial
from struct import Struct
from typing import Any, Final

from aiortc import RTCRtpSender
from aiortc.clock import current_ntp_time
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpsender import RTCEncodedFrame, random_sequence_number
from aiortc.rtp import RTP_HISTORY_SIZE, HeaderExtensions, RtpPacket
from aiortc.utils import random32, uint16_add, uint32_add

from server.webrtc.aiortc_patches import PatchError

logger = logging.getLogger(__name__)

NO_TRACK_SECONDS: Final = 0.02
_HEADER: Final = Struct("!BBHLL")
_EXTENSIONS: Final = Struct("!HH")
_VERSION_2: Final = 2 << 6
_HAS_EXTENSIONS: Final = 1 << 4
_PRIVATE: Final = "_RTCRtpSender__"
_USED: Final = (
    "encoder", "mid", "rtp_exited", "rtp_header_extensions_map", "rtp_history", "rtp_started", "ntp_timestamp",
    "rtp_timestamp", "octet_count", "packet_count", "track",
)  # fmt: skip


def send_frames_at_once(sender: RTCRtpSender) -> None:
    """Makes the sender use this loop; call it before the sender is started.

    Raises:
        PatchError: the installed aiortc is not the one that this was written for.
    """
    missing = [name for name in _USED if not hasattr(sender, _PRIVATE + name)]
    if missing or not hasattr(sender, "_run_rtp"):
        raise PatchError(f"RTCRtpSender of this aiortc version has no {', '.join(missing) or '_run_rtp'}")
    sender._run_rtp = partial(_run, sender)  # type: ignore[method-assign]


def _get(sender: RTCRtpSender, name: str) -> Any:
    return getattr(sender, _PRIVATE + name)


def _set(sender: RTCRtpSender, name: str, value: object) -> None:
    setattr(sender, _PRIVATE + name, value)


async def _run(sender: RTCRtpSender, codec: Any) -> None:
    _get(sender, "rtp_started").set()
    sequence, origin = random_sequence_number(), random32()
    try:
        while True:
            if _get(sender, "track") is None:
                await asyncio.sleep(NO_TRACK_SECONDS)
                continue
            frame = await sender._next_encoded_frame(codec)
            if frame is not None:
                timestamp = uint32_add(origin, frame.timestamp)
                sequence = await _send(sender, codec.payloadType, frame, sequence, timestamp)
    except (
        asyncio.CancelledError,
        ConnectionError,
        MediaStreamError,
    ):  # the library cancels the loop to stop the sender
        pass
    except Exception:  # stopping a sender waits for this event
        logger.exception("sending has ended")
    if (track := _get(sender, "track")) is not None:
        track.stop()
        _set(sender, "track", None)
    _set(sender, "encoder", None)
    _get(sender, "rtp_exited").set()


async def _send(sender: RTCRtpSender, payload_type: int, frame: RTCEncodedFrame, sequence: int, timestamp: int) -> int:
    """Sends a frame's packets; returns the sequence number of the next one."""
    now = current_ntp_time()
    extensions = HeaderExtensions(abs_send_time=now >> 14 & 0xFFFFFF, mid=_get(sender, "mid"))
    if frame.audio_level is not None:
        extensions.audio_level = (False, -frame.audio_level)
    profile, value = _get(sender, "rtp_header_extensions_map").set(extensions)
    first = _VERSION_2 | (_HAS_EXTENSIONS if value else 0)
    common = _EXTENSIONS.pack(profile, len(value) >> 2) + value if value else b""
    history, source, send = _get(sender, "rtp_history"), sender._ssrc, sender.transport._send_rtp
    last = len(frame.payloads) - 1
    for place, payload in enumerate(frame.payloads):
        packet = RtpPacket(payload_type, int(place == last), sequence, timestamp, source, payload)
        packet.extensions = extensions
        history[sequence % RTP_HISTORY_SIZE] = packet  # for retransmission
        header = _HEADER.pack(first, packet.marker << 7 | payload_type, sequence, timestamp, source)
        await send(header + common + payload)
        sequence = uint16_add(sequence, 1)
    if frame.payloads:
        _set(sender, "ntp_timestamp", now)
        _set(sender, "rtp_timestamp", timestamp)
        _set(sender, "octet_count", _get(sender, "octet_count") + sum(map(len, frame.payloads)))
        _set(sender, "packet_count", _get(sender, "packet_count") + len(frame.payloads))
    return int(sequence)
