"""Speech with known phones, labelled by hand: the TIMIT sample of the data folder, eight held-out speakers.

Pure apart from reading the files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE, read_audio
from styletalk_core.lab.recognizer.corpus import recordings
from styletalk_core.phones import FPS, INDEX, SIL_INDEX

SOURCE: Final = "TIMIT sample"
LABEL_LAG: Final = 0.015
"""Seconds by which the labels that the recognizer learned from lie after the start of a phone; found on espeak-ng, see
`server/tts/told_phones.py`, and not fitted to these recordings."""
_READINGS: Final = {
    "bcl": "B", "dcl": "D", "gcl": "G", "pcl": "P", "tcl": "T", "kcl": "K", "dx": "T", "nx": "N", "en": "N", "em": "M",
    "eng": "NG", "el": "L", "hv": "HH", "ax": "AH", "ax-h": "AH", "axr": "ER", "ix": "IH", "ux": "UW",
}  # fmt: skip
"""Symbols that are not phones in capitals; a closure belongs to its stop. Pauses and glottal stops are silence."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Audio (n,) float32, 16 kHz, and its phone ids (F,) at 30 fps."""

    name: str
    samples: NDArray[np.float32]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class HandLabelled:
    """Audio (n,) float32, 16 kHz, and S segments: their first samples and phone ids (S,)."""

    name: str
    samples: NDArray[np.float32]
    starts: NDArray[np.int64]
    phones: NDArray[np.uint8]

    @property
    def reference(self) -> Reference:
        """The same with the phone at the first sample of each frame, as in the official labels."""
        frames = len(self.samples) * FPS // SPEECH_RATE
        return Reference(self.name, self.samples, self.at(np.arange(frames) / FPS))

    def at(self, seconds: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Phone ids (n,) at the given times, in the convention that the recognizer learned."""
        places = np.searchsorted(self.starts, (seconds - LABEL_LAG) * SPEECH_RATE, side="right") - 1
        return np.where(places >= 0, self.phones[places], SIL_INDEX).astype(np.uint8)


def hand_labelled(data: Path, split: str) -> Iterator[HandLabelled]:
    """Yields the sentences of a split, "dev" or "test"; nothing if the data folder has none."""
    for recording in recordings(data):
        if recording.source == SOURCE and recording.split == split:
            lines = [line.split() for line in recording.path.with_suffix(".phn").read_text().splitlines()]
            starts = np.array([int(start) for start, _, _ in lines])
            phones = np.array([_phone(symbol) for _, _, symbol in lines], np.uint8)
            yield HandLabelled(recording.name, read_audio(recording.path), starts, phones)


def _phone(symbol: str) -> int:
    return INDEX.get(_READINGS.get(symbol, symbol.upper()), SIL_INDEX)
