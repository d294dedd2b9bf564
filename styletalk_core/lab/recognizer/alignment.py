"""Forced alignment for training labels: pocketsphinx aligns the phones of a transcript with the audio.

Words missing from its dictionary are pronounced by the network of the `hama` package. Only used to prepare training
data; never runs live.
"""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.ipa import phones_of_ipa
from styletalk_core.phones import INDEX, NSN_INDEX, PHONES, SIL_INDEX

LABEL_RATE: Final = 100
"""Labels per second: the frame rate of the aligner."""
LABEL_LAG: Final = 0.024
"""Delay of the official labels relative to the aligner, in seconds: the shift of best agreement on the official
samples. All labels and columns of this project follow the official convention."""

ONSET_LEAD: Final = 3
"""Label frames by which the official labels end a silence before the aligner does, after correcting `LABEL_LAG`."""

ALIGNER_WEIGHT: Final = 1.5
"""Logarithm by which `realign` prefers the phone of the aligner to others."""
MIN_POSTERIOR: Final = 1e-6

ENGLISH_READINGS: Final = {"eə": "EH R", "ɪə": "IH R", "ɜ": "ER", "ɒ": "AA", "r": "R", "ʁ": "R", "ø": "ER", "œ": "ER"}
"""Symbols of the `hama` pronunciation network, of English words, that stand for other phones than in `ipa`."""


class ForcedAligner:
    """Aligns known phones with audio. Not thread-safe."""

    def __init__(self) -> None:
        self._decoder = Decoder(bestpath=False, fwdflat=False, loglevel="FATAL")

    def align_text(self, samples: NDArray[np.float32], text: str) -> NDArray[np.uint8] | None:
        """Aligns the phones of a transcript.

        Args:
            samples: (n,) float32, 16 kHz.
            text: the transcript; the pronunciation of words missing from the dictionary is predicted.

        Returns:
            (n // 160,) uint8 phone ids at 100 Hz, or None if audio and text do not match.
        """
        words = re.findall(r"[a-z']+", text.lower())
        for word in words:
            if self._decoder.lookup_word(word) is None:
                phones = to_cmu(sound.phoneme for sound in self._pronounce.predict(word).alignments)
                self._decoder.add_word(word, " ".join(phones) or "SIL", True)
        return self._align(samples, " ".join(words))

    @cached_property
    def _pronounce(self) -> Any:
        from hama import G2PModel

        return G2PModel()

    def _align(self, samples: NDArray[np.float32], text: str) -> NDArray[np.uint8] | None:
        labels = np.full(len(samples) * LABEL_RATE // SPEECH_RATE, SIL_INDEX, np.uint8)
        if not text:
            return labels
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()
        try:
            self._decoder.set_align_text(text)
            self._decode(pcm)
            if self._decoder.hyp() is None:
                return None
            self._decoder.set_alignment()
            self._decode(pcm)
            alignment = self._decoder.get_alignment()
        except RuntimeError:
            return None
        for phone in (phone for word in alignment for phone in word):
            labels[phone.start : phone.start + phone.duration] = _phone_id(phone.name)
        return labels

    def _decode(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()


def to_cmu(symbols: Iterable[str]) -> list[str]:
    """Converts IPA symbols of English words to CMU phones."""
    return [phone for symbol in symbols for phone in _english(symbol)]


def _english(symbol: str) -> list[str]:
    reading = ENGLISH_READINGS.get(symbol)
    return reading.split() if reading else [PHONES[phone] for phone in phones_of_ipa(symbol)]


def realign(labels: NDArray[np.uint8], posteriors: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Moves the borders between aligned phones to where a network hears them; the order of the phones stays.

    Silence may be left out, also where the aligner heard some, and may be added at both ends.

    Args:
        labels: (T,) phone ids.
        posteriors: (T, 41) probabilities of a network for the same instants.
    """
    changes = np.flatnonzero(np.diff(labels.astype(int), prepend=-1))
    order = np.array([SIL_INDEX, *labels[changes], SIL_INDEX])
    scores = np.log(np.maximum(posteriors, MIN_POSTERIOR))
    scores[np.arange(len(labels)), labels] += ALIGNER_WEIGHT
    return order[_best_path(scores[:, order], order == SIL_INDEX)].astype(np.uint8)


def _best_path(scores: NDArray[np.floating], optional: NDArray[np.bool_]) -> NDArray[np.int64]:
    """State of each instant (T,) on the best path through all states in order, of scores (T, S); some are optional."""
    best = np.full(scores.shape[1], -np.inf)
    best[:2] = scores[0, :2]
    steps = np.zeros(scores.shape, np.int64)
    skipping = np.concatenate([[False, False], optional[1:-1]])
    for instant in range(1, len(scores)):
        after_one = np.concatenate([[-np.inf], best[:-1]])
        after_two = np.where(skipping, np.concatenate([[-np.inf, -np.inf], best[:-2]]), -np.inf)
        choices = np.stack([best, after_one, after_two])
        steps[instant] = choices.argmax(axis=0)
        best = choices.max(axis=0) + scores[instant]
    path = np.empty(len(scores), np.int64)
    state = len(best) - (1 if best[-1] >= best[-2] else 2)
    for instant in range(len(scores) - 1, -1, -1):
        path[instant] = state
        state -= steps[instant, state]
    return path


def labels_at(labels: NDArray[np.uint8], seconds: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Labels (n,) at the given times, in the official convention; silence outside the audio."""
    labels = labels.copy()
    for _ in range(ONSET_LEAD if len(labels) else 0):
        onset = (labels[:-1] == SIL_INDEX) & (labels[1:] != SIL_INDEX)
        labels[:-1][onset] = labels[1:][onset]
    index = np.rint((seconds - LABEL_LAG) * LABEL_RATE).astype(int)
    inside = (index >= 0) & (index < len(labels))
    return np.where(inside, labels[np.clip(index, 0, max(len(labels) - 1, 0))], SIL_INDEX).astype(np.uint8)


def _phone_id(name: str) -> int:
    return NSN_INDEX if name.startswith("+") else INDEX.get(name, SIL_INDEX)
