"""Protocols of what a person converses with: the partner that answers, and the face that it speaks through.

Pure.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streaming.speaker import Interruption, SpokenEvent


class PartnerFailed(Exception):
    """The partner cannot answer this turn; the message is a sentence. The conversation goes on."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of the person's turn."""

    words: str


@dataclass(frozen=True, slots=True)
class Replied:
    """What the person heard of the answer; ``whole`` unless it was interrupted."""

    words: str
    whole: bool


class Face(Protocol):
    """The face of the partner."""

    def listen(self, listening: bool) -> None:
        """Listens to the person, with a steady gaze and nods, or no longer."""

    async def set_style(self, style: str) -> None:
        """Cross-fades to a speaking style. Raises: NotFound."""

    def interrupt(self) -> Interruption:
        """Silences the face with the next packet and discards what it was to speak."""


class Partner(Protocol):
    """Answers a person turn by turn."""

    def begin(self) -> None:
        """The person begins a turn."""

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Takes audio of the turn, (n,) int16 mono 48 kHz, n a multiple of 6."""

    async def answer(self) -> None:
        """Answers the turn, which is complete; returns when the answer was heard. Cancelled by an interruption.

        Raises:
            PartnerFailed: it could not, or not to the end.
        """

    def spoken(self, event: SpokenEvent) -> None:
        """Something that the face speaks has been heard."""

    def interrupted(self, interruption: Interruption) -> None:
        """The answer was cut off, or is not wanted any more."""

    async def aclose(self) -> None:
        """Ends the conversation."""
