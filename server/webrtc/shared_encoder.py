"""Shared VP8 encoding: one stream for all viewers at the same bitrate.

Runs on: executor threads, those of all viewers concurrently; each stream has a lock. A viewer takes the highest bitrate
that its connection can carry. It joins a stream, or continues after a missed frame, only at a key frame: until then
nothing is sent to it.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from aiortc.codecs.base import Encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor
from av import VideoFrame
from av.frame import Frame
from av.packet import Packet

from server.webrtc.vp8_encoder import VIDEO_CLOCK_RATE, LiveVp8Encoder

BITRATES: Final = (400_000, 1_200_000, 3_000_000)
FIRST: Final = 1
"""Index of a viewer's initial bitrate."""
FRAMES_KEPT = 8
KEY_FRAME_TICKS: Final = VIDEO_CLOCK_RATE // 2
"""Minimum distance of key frames for joining viewers: half a second."""
RAISE_TICKS: Final = 5 * VIDEO_CLOCK_RATE
"""Minimum time at a bitrate before a viewer takes a higher one."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded frame: its RTP payloads, whether it is a key frame, and the timestamp of the frame it depends on."""

    payloads: list[bytes]
    key: bool
    previous: int | None


class SharedEncoding:
    """The frames of one session at one bitrate, each encoded when the first viewer requests it."""

    def __init__(self, size: int, bitrate: int) -> None:
        self._encoder = LiveVp8Encoder(size)
        self._encoder.target_bitrate = bitrate
        self._lock = threading.Lock()
        self._frames: OrderedDict[int, Encoded] = OrderedDict()
        self._newest: int | None = None
        self._last_key = 0
        self._key_wanted = False
        self.encoded = 0
        """Number of encoded frames."""

    def get(self, frame: VideoFrame, key_wanted: bool) -> Encoded | None:
        """Return the encoded frame; None when it is older than all kept ones."""
        assert frame.pts is not None
        with self._lock:
            self._key_wanted |= key_wanted
            if (known := self._frames.get(frame.pts)) is not None:
                return known
            if self._newest is not None and frame.pts < self._newest:
                return None
            return self._encode(frame, frame.pts)

    def _encode(self, frame: VideoFrame, pts: int) -> Encoded:
        due = self._newest is None or pts - self._last_key >= KEY_FRAME_TICKS
        payloads, _ = self._encoder.encode(frame, self._key_wanted and due)
        key = is_key_frame(payloads)
        if key:
            self._last_key, self._key_wanted = pts, False
        encoded = self._frames[pts] = Encoded(payloads, key, self._newest)
        self._newest = pts
        self.encoded += 1
        if len(self._frames) > FRAMES_KEPT:
            self._frames.popitem(last=False)
        return encoded


class SharedEncoder(Encoder):
    """One viewer's access to the streams of a session; used by a sender as its encoder.

    Args:
        streams: of the session, one per bitrate of `BITRATES`.
    """

    def __init__(self, streams: tuple[SharedEncoding, ...]) -> None:
        self._streams = streams
        self._room = BITRATES[FIRST]
        self._rung = FIRST
        self._rung_since: int | None = None
        self._sent: int | None = None

    @property
    def target_bitrate(self) -> int:
        """Bitrate that the receiver can take, in bit/s; set from its estimates."""
        return self._room

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self._room = bitrate

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Return the frame's RTP payloads and its timestamp in 1/90000 s; no payloads while it cannot be decoded."""
        assert isinstance(frame, VideoFrame) and frame.pts is not None
        self._climb(frame.pts)
        if force_keyframe:
            self._sent = None
        encoded = self._streams[self._rung].get(frame, self._sent is None)
        if encoded is None or not (encoded.key or (self._sent is not None and encoded.previous == self._sent)):
            self._sent = None
            return [], frame.pts
        self._sent = frame.pts
        return encoded.payloads, frame.pts

    def pack(self, packet: "Packet[Any]") -> tuple[list[bytes], int]:
        """Not supported: a viewer's track yields frames."""
        raise TypeError("a viewer's track yields frames, not packets")

    def _climb(self, pts: int) -> None:
        """Lowers the bitrate to what fits at once, raises it by one step after a while."""
        fitting = max((rung for rung, bitrate in enumerate(BITRATES) if bitrate <= self._room), default=0)
        self._rung_since = pts if self._rung_since is None else self._rung_since
        if fitting > self._rung and pts - self._rung_since >= RAISE_TICKS:
            fitting = self._rung + 1
        elif fitting >= self._rung:
            return
        self._rung, self._rung_since, self._sent = fitting, pts, None


def shared_encodings(size: int) -> tuple[SharedEncoding, ...]:
    """Return a stream for each bitrate; unused ones cost nothing."""
    return tuple(SharedEncoding(size, bitrate) for bitrate in BITRATES)


def is_key_frame(payloads: list[bytes]) -> bool:
    """True for a key frame (RFC 6386, section 9.1)."""
    _, data = VpxPayloadDescriptor.parse(payloads[0]) if payloads else (None, b"\x01")
    return not data[0] & 1
