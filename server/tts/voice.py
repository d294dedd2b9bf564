"""Protocol of text-to-speech voices: text in, audio out in pieces, as early as possible.

Pure.
"""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streaming.media import TimedPhone
from streaming.units import Tick


class VoiceFailed(Exception):
    """Speech synthesis failed; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class VoicePiece:
    """Audio: ``samples`` (n,) int16 mono 48 kHz; ``phones``, if the voice tells them, at ticks from its start."""

    samples: NDArray[np.int16]
    phones: tuple[TimedPhone, ...] = ()

    def parts(self, ticks: Tick) -> "Iterator[VoicePiece]":
        """Yields the piece in parts of at most ``ticks``; the first has all phones."""
        for start in range(0, len(self.samples), ticks):
            yield VoicePiece(self.samples[start : start + ticks], () if start else self.phones)


class Voice(Protocol):
    """Speaks."""

    @property
    def name(self) -> str:
        """Name in messages."""

    def speak(self, text: str) -> AsyncGenerator[VoicePiece, None]:
        """Yields the audio of ``text`` piece by piece.

        Raises:
            VoiceFailed: the text cannot be spoken.
        """


def pcm(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return float samples in -1..1 as int16."""
    return np.rint(np.clip(samples, -1.0, 1.0) * 32_767).astype(np.int16)
