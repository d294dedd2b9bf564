"""Protocol of text-to-speech voices: text in, audio out in pieces, as early as possible.

Pure.
"""

import re
from collections.abc import AsyncGenerator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|\n+")
MAX_PIECE_CHARACTERS = 300
"""Length in characters at which text without sentences is cut at a space, so that the first audio comes early."""


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


def sentences(text: str) -> list[str]:
    """Splits text into units of speech and captions; control characters become spaces."""
    clean = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    parts = (part.strip() for part in SENTENCE_END.split(clean))
    return [piece for part in parts if part for piece in _pieces(part)]


def _pieces(sentence: str) -> list[str]:
    pieces = list[str]()
    while len(sentence) > MAX_PIECE_CHARACTERS:
        cut = sentence.rfind(" ", 1, MAX_PIECE_CHARACTERS)
        cut = cut if cut > 0 else MAX_PIECE_CHARACTERS
        pieces.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
    return [*pieces, sentence] if sentence else pieces


def pcm(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return float samples in -1..1 as int16."""
    return np.rint(np.clip(samples, -1.0, 1.0) * 32_767).astype(np.int16)
