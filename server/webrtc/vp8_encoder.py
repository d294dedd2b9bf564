"""VP8 encoder for a face on a still background: one thread, fast presets, no denoiser.

`OPTIONS` were chosen by CPU time: `styletalk bench encoder` compares them with others.

Runs on: an executor thread, one frame at a time.
"""

import random
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import av
from aiortc.codecs.vpx import Vp8Encoder
from av import VideoFrame
from av.frame import Frame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

VIDEO_CLOCK_RATE: Final = 90_000
OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cpu-used": "-12",
        "deadline": "realtime",
        "lag-in-frames": "0",
        "noise-sensitivity": "0",
        "overshoot-pct": "15",
        "undershoot-pct": "100",
        "static-thresh": "300",
    }
)
"""Options of libvpx besides the bitrate. ``static-thresh``: a block that changed less is skipped; most of a portrait
is still, and at this threshold the error of skipped blocks is below that of the quantizer."""


def first_bitrate(size: int) -> int:
    """Return the bitrate in bit/s for frames of this size before the receiver's first estimate."""
    return 1_200_000 if size > 256 else 800_000


class LiveVp8Encoder(Vp8Encoder):
    """Encodes frames of any size; a new size, like a new bitrate, starts with a key frame.

    libvpx applies a new bitrate only after a restart with a key frame, so the receiver's estimate is followed when it
    has changed by a third, down at once and up every few seconds.
    """

    MIN_BITRATE = 400_000
    MAX_BITRATE = 3_000_000
    MIN_CHANGE_SHARE = 1 / 3
    SECONDS_BETWEEN_RAISES = 5

    def __init__(self, size: int, options: Mapping[str, str] = OPTIONS) -> None:
        super().__init__()
        self.codec: VideoCodecContext | None = None
        self.picture_id = random.randrange(1 << 15)
        self._options, self._bitrate = options, first_bitrate(size)
        self._built_pts = 0

    @property
    def target_bitrate(self) -> int:
        """Bitrate that the receiver can take, in bit/s; set from its estimates."""
        return self._bitrate

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self._bitrate = max(self.MIN_BITRATE, min(bitrate, self.MAX_BITRATE))

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Encodes one yuv420p frame whose time base is 1/90000 s.

        Returns:
            (RTP payloads, timestamp in 1/90000 s).
        """
        assert isinstance(frame, VideoFrame) and frame.pts is not None
        pts = frame.pts
        if self.codec is None or self._outgrown(frame, self.codec):
            self.codec = self._build(frame)
            self._built_pts = pts
        frame.pict_type = PictureType.I if force_keyframe else PictureType.NONE
        data = b"".join(bytes(packet) for packet in self.codec.encode(frame))
        payloads = self._packetize(data, self.picture_id)
        self.picture_id = (self.picture_id + 1) % (1 << 15)
        return payloads, pts

    def _outgrown(self, frame: VideoFrame, codec: VideoCodecContext) -> bool:
        if (frame.width, frame.height) != (codec.width, codec.height):
            return True
        change = self._bitrate / (codec.bit_rate or 1) - 1
        settled = frame.pts is not None and frame.pts - self._built_pts > self.SECONDS_BETWEEN_RAISES * VIDEO_CLOCK_RATE
        return change < -self.MIN_CHANGE_SHARE or (change > self.MIN_CHANGE_SHARE and settled)

    def _build(self, frame: VideoFrame) -> VideoCodecContext:
        codec = av.CodecContext.create("libvpx", "w")
        codec.width = frame.width
        codec.height = frame.height
        codec.bit_rate = self._bitrate
        codec.pix_fmt = "yuv420p"
        codec.time_base = Fraction(
            1, VIDEO_CLOCK_RATE
        )  # the default is microseconds, to which timestamps would be rounded
        codec.gop_size = 3000  # key frames come on request
        codec.qmin = 2
        codec.qmax = 56
        codec.thread_count = 1
        codec.options = dict(self._options) | {
            "bufsize": str(self._bitrate),
            "minrate": str(self._bitrate),  # equal to the maximum: constant bitrate
            "maxrate": str(self._bitrate),
        }
        return codec
