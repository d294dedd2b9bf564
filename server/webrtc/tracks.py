"""Audio and video tracks of a call, paced by one clock.

Runs on: event loop. Audio is encoded here (0.2 ms per packet), video by the sender in an executor thread. Timestamps
are the session's ticks, so that audio and video share their zero.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from aiortc import MediaStreamTrack
from numpy.typing import NDArray

from server.webrtc.vp8_encoder import VIDEO_CLOCK_RATE
from streaming.media import RenderedFrame
from streaming.session import Session
from streaming.units import STEP_TICKS, TICK_RATE, Tick

AUDIO_BITRATE = 64_000
OPUS_COMPLEXITY: Final = "5"
"""Of 10; costs a fifth less CPU time than 10 at the same bit rate."""
OPUS_APPLICATION: Final = "audio"
"""At this bit rate it costs half the CPU time of "voip" and follows the waveform more closely."""
AUDIO_TIME_BASE = Fraction(1, TICK_RATE)
VIDEO_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)
if STEP_TICKS * VIDEO_CLOCK_RATE % TICK_RATE:
    raise AssertionError("frames must begin at whole ticks of RTP time")


class StartBarrier:
    """Starts a session once the first frame of every track has been requested."""

    def __init__(self, start: Callable[[], None]) -> None:
        self.parties = 2
        self._start = start
        self._waiting: set[MediaStreamTrack] = set()

    def arrive(self, track: MediaStreamTrack) -> None:
        if track not in self._waiting:
            self._waiting.add(track)
            if len(self._waiting) == self.parties:
                self._start()


class OpusEncoder:
    """Encodes (960,) int16 mono 48 kHz to one Opus packet."""

    def __init__(self) -> None:
        self._codec = av.AudioCodecContext.create("libopus", "w")
        self._codec.bit_rate = AUDIO_BITRATE
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = TICK_RATE
        self._codec.time_base = AUDIO_TIME_BASE
        self._codec.options = {
            "application": OPUS_APPLICATION,
            "frame_duration": "20",
            "compression_level": OPUS_COMPLEXITY,
        }

    def encode(self, samples: NDArray[np.int16], pts: int) -> bytes:
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = TICK_RATE
        frame.time_base = AUDIO_TIME_BASE
        frame.pts = pts
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


def audio_packet(start: Tick, encoded: bytes) -> "av.packet.Packet[Any]":
    """Return an Opus packet whose first sample is due at tick ``start``."""
    packet = av.Packet(encoded)
    packet.pts = start
    packet.time_base = AUDIO_TIME_BASE
    return packet


def video_frame(rendered: RenderedFrame) -> av.VideoFrame:
    """Return a video frame with its timestamp; the pixels are shared and must not be modified afterwards."""
    frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(rendered.yuv), format="yuv420p")
    frame.pts = rendered.tick * VIDEO_CLOCK_RATE // TICK_RATE
    frame.time_base = VIDEO_TIME_BASE
    return frame


class AudioTrack(MediaStreamTrack):
    """Audio track: the microphone's audio, D later, as Opus packets; also passed to ``publish``."""

    kind = "audio"

    def __init__(self, session: Session, barrier: StartBarrier, publish: Callable[[tuple[Tick, bytes]], None]) -> None:
        super().__init__()
        self._session = session
        self._barrier = barrier
        self._publish = publish
        self._encoder = OpusEncoder()

    async def recv(self) -> "av.packet.Packet[Any]":
        """Waits until the next packet is due."""
        self._barrier.arrive(self)
        chunk = await self._session.next_audio()
        encoded = self._encoder.encode(chunk.samples, chunk.start)
        self._publish((chunk.start, encoded))
        return audio_packet(chunk.start, encoded)


class VideoTrack(MediaStreamTrack):
    """Video track: the avatar's frames, also passed to ``publish``."""

    kind = "video"

    def __init__(self, session: Session, barrier: StartBarrier, publish: Callable[[RenderedFrame], None]) -> None:
        super().__init__()
        self._session = session
        self._barrier = barrier
        self._publish = publish

    async def recv(self) -> av.VideoFrame:
        """Waits until the next frame is due."""
        self._barrier.arrive(self)
        frame = await self._session.next_frame()
        self._publish(frame)
        return video_frame(frame)
