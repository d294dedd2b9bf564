"""One VP8 stream for everyone who watches at the same bitrate.

Runs on: executor threads, those of all viewers at once; a lock each keeps the streams in order. A viewer takes the
highest bitrate that his connection has room for. He may join a stream, or go on after he has missed a picture of it,
only with a key frame: until then he is sent nothing.
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
"""Index of the bitrate at which a viewer begins."""
FRAMES_KEPT = 8
KEY_FRAME_TICKS: Final = VIDEO_CLOCK_RATE // 2
"""Key frames that nobody but latecomers needs are at least this far apart: half a second."""
RAISE_TICKS: Final = 5 * VIDEO_CLOCK_RATE
"""How long a viewer keeps a bitrate before he takes a higher one."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture: its RTP payloads, whether it stands alone, and the time stamp of the one that it builds on."""

    payloads: list[bytes]
    key: bool
    previous: int | None


class SharedEncoding:
    """The pictures of one performance at one bitrate, each encoded when the first viewer asks for it."""

    def __init__(self, size: int, bitrate: int) -> None:
        self._encoder = LiveVp8Encoder(size)
        self._encoder.target_bitrate = bitrate
        self._lock = threading.Lock()
        self._frames: OrderedDict[int, Encoded] = OrderedDict()
        self._newest: int | None = None
        self._last_key = 0
        self._key_wanted = False
        self.encoded = 0
        """Pictures so far."""

    def get(self, frame: VideoFrame, key_wanted: bool) -> Encoded | None:
        """The encoded frame; None for one that is older than all that are kept."""
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
    """One viewer's place among the streams of a session; stands where a sender has its encoder.

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
        """Bits per second that the receiver can take; set from its estimates."""
        return self._room

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self._room = bitrate

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """The frame's RTP payloads and its timestamp in 1/90000 s; no payloads where it cannot be shown."""
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
        """Not for viewers: their track gives pictures."""
        raise TypeError("a viewer's track gives pictures, not packets")

    def _climb(self, pts: int) -> None:
        """Goes down to a bitrate with enough room at once, up by a step after a while."""
        fitting = max((rung for rung, bitrate in enumerate(BITRATES) if bitrate <= self._room), default=0)
        self._rung_since = pts if self._rung_since is None else self._rung_since
        if fitting > self._rung and pts - self._rung_since >= RAISE_TICKS:
            fitting = self._rung + 1
        elif fitting >= self._rung:
            return
        self._rung, self._rung_since, self._sent = fitting, pts, None


def shared_encodings(size: int) -> tuple[SharedEncoding, ...]:
    """One for each bitrate; those that nobody watches cost nothing."""
    return tuple(SharedEncoding(size, bitrate) for bitrate in BITRATES)


def is_key_frame(payloads: list[bytes]) -> bool:
    """Whether a picture stands alone (RFC 6386, section 9.1)."""
    _, data = VpxPayloadDescriptor.parse(payloads[0]) if payloads else (None, b"\x01")
    return not data[0] & 1
