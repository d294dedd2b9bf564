"""Media of an avatar: frames and the audio that belongs to them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from streaming.avatar.spoken_session import PlayedPacket, SpokenMedia
from streaming.engine import StyleChoice
from streaming.frames.presence import Presence
from streaming.media import RenderedFrame
from streaming.speaker import Interruption, SpokenEvent, UtteranceStarted
from streaming.units import TICK_RATE, Tick


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A frame that starts at ``tick``; ``yuv`` (H*3//2, W) uint8 I420, shared and not to be modified.

    With a transparent background it is twice as high, (H*3, W), and the lower half is an alpha mask.
    """

    tick: Tick
    yuv: NDArray[np.uint8]

    @property
    def pts(self) -> float:
        """Start in seconds, on the clock of the audio."""
        return self.tick / TICK_RATE

    @property
    def width(self) -> int:
        return int(self.yuv.shape[1])

    @property
    def height(self) -> int:
        return int(self.yuv.shape[0]) * 2 // 3


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """Audio, (n,) int16 mono 48 kHz, of the utterance with this number; None: the silence between utterances."""

    sample_rate: ClassVar[int] = TICK_RATE
    tick: Tick
    samples: NDArray[np.int16]
    utterance: int | None

    @property
    def pts(self) -> float:
        """Start in seconds, on the clock of the video."""
        return self.tick / TICK_RATE

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / TICK_RATE


AvatarMedia = VideoFrame | AudioFrame | SpokenEvent


def split(media: SpokenMedia) -> Iterator[AvatarMedia]:
    """Yield what a session delivers as audio and frames; the start of an utterance first, other events after audio."""
    if isinstance(media, RenderedFrame):
        yield VideoFrame(media.tick, media.yuv)
    elif isinstance(media, PlayedPacket):
        for part in media.parts:
            yield from (event for event in part.events if isinstance(event, UtteranceStarted))
            yield AudioFrame(part.audio.start, part.audio.samples, part.utterance)
            yield from (event for event in part.events if not isinstance(event, UtteranceStarted))
    else:
        yield media


class SpeakingAvatar(Protocol):
    """An avatar that speaks what is pushed to it, in utterances; live or offline."""

    async def push(self, data: bytes, rate: int) -> None:
        """Append audio to the open utterance or a new one, see `streaming.audio.pcm_stream.PcmStream`.

        Raises:
            UnsupportedAudio, RateChanged: it cannot be used.
        """

    def commit(self) -> None:
        """Complete the open utterance."""

    def finish(self) -> None:
        """End the input: `next` returns None when everything has been played."""

    def set_style(self, style: StyleChoice, intensity: float, fade_s: float) -> None:
        """Cross-fade to a style from the frame that is begun next; an error is raised by `next`."""

    def set_presence(self, presence: Presence) -> None:
        """Fade to where and how the face is wanted to be, from the frame that is begun next."""

    async def interrupt(self) -> Interruption:
        """Stop speaking with the next packet, and discard all queued speech."""

    async def next(self) -> AvatarMedia | None:
        """Return what is due next; None after the end.

        Raises:
            EngineFailure: a model failed.
        """

    async def aclose(self) -> None:
        """End the session."""
