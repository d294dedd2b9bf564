"""Protocol of text-to-speech voices: text in, audio out in pieces, as early as possible.

Pure.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class VoiceFailed(Exception):
    """Speech synthesis failed; the message is a sentence."""


class Voice(Protocol):
    """Speaks."""

    @property
    def name(self) -> str:
        """Name in messages."""

    def speak(self, text: str) -> AsyncGenerator[NDArray[np.int16], None]:
        """Yields the audio of ``text``, (n,) int16 mono 48 kHz, piece by piece.

        Raises:
            VoiceFailed: the text cannot be spoken.
        """


def pcm(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return float samples in -1..1 as int16."""
    return np.rint(np.clip(samples, -1.0, 1.0) * 32_767).astype(np.int16)
