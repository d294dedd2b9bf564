"""Phone labels with times for training: pocketsphinx forces the phones of a transcript onto the sound.

Without a transcript the phones come from the offline phone recogniser of the `hama` package. Used to
prepare training data only; never runs live.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.errors import InputError
from styletalk_core.phones import INDEX, NSN_INDEX, SIL_INDEX

LABEL_RATE: Final = 100
"""Labels per second: the frame rate of the aligner."""
LABEL_LAG: Final = 0.024
"""Seconds by which the official labels name a phone later than the aligner does: measured as the shift of best
agreement on the official samples. Every label and column of this project follows the official convention."""

IPA_TO_CMU: Final[dict[str, str]] = {
    "aɪ": "AY", "aʊ": "AW", "b": "B", "d": "D", "d͡ʒ": "JH", "eɪ": "EY", "e": "EY", "f": "F", "g": "G", "h": "HH",
    "i": "IY", "j": "Y", "ju": "Y UW", "k": "K", "l": "L", "m": "M", "n": "N", "o": "OW", "oʊ": "OW", "p": "P",
    "r": "R", "s": "S", "t": "T", "t͡ʃ": "CH", "u": "UW", "v": "V", "w": "W", "x": "HH", "y": "UW", "z": "Z",
    "a": "AA", "æ": "AE", "ð": "DH", "ŋ": "NG", "ɐ": "AH", "ɑ": "AA", "ɒ": "AA", "ɔ": "AO", "ɔɪ": "OY", "ə": "AH",
    "ɚ": "ER", "ɛ": "EH", "ɜ": "ER", "ɝ": "ER", "ɡ": "G", "ɪ": "IH", "ɫ": "L", "ɹ": "R", "ɾ": "T", "ʃ": "SH",
    "ʉ": "UW", "ʊ": "UH", "ʋ": "V", "ʌ": "AH", "ʒ": "ZH", "β": "B", "θ": "TH", "ɣ": "G", "χ": "HH", "ħ": "HH",
    "eə": "EH R", "ɪə": "IH R", "ʁ": "R", "ɲ": "N", "ɨ": "IH", "ø": "ER", "œ": "ER", "ɯ": "UW", "ɕ": "SH",
}  # fmt: skip
"""Symbols of the offline recogniser -> CMU phones; symbols that are missing here are left out."""

FUNCTION_WORDS: Final[dict[str, str]] = {
    "DH IY": "DH AH", "T OW": "T UW", "AO F": "AH V", "OW F": "AH V", "IY S": "IH Z", "IY Z": "IH Z", "AA Z": "AE Z",
    "HH IY Z": "HH IH Z", "HH IY S": "HH IH Z", "HH AA Z": "HH AE Z", "IY T": "IH T", "IY N": "IH N",
}  # fmt: skip
"""Words that the offline recogniser writes as they are spelled -> how the dictionary of the labels has them."""


class ForcedAligner:
    """Times for known phones. Not thread safe."""

    def __init__(self) -> None:
        self._decoder = Decoder(bestpath=False, fwdflat=False, loglevel="FATAL")

    def align_text(self, samples: NDArray[np.float32], text: str) -> NDArray[np.uint8] | None:
        """Phone ids of a transcript.

        Args:
            samples: (n,) float32, 16 kHz.
            text: what is said; words that the dictionary lacks are pronounced by rule.

        Returns:
            (n // 160,) uint8 phone ids at 100 Hz, or None where sound and text do not fit together.
        """
        words = re.findall(r"[a-z']+", text.lower())
        for word in words:
            if self._decoder.lookup_word(word) is None:
                phones = to_cmu(sound.phoneme for sound in self._pronounce.predict(word).alignments)
                self._decoder.add_word(word, " ".join(phones) or "SIL", True)
        return self._align(samples, " ".join(words))

    def align_phones(self, samples: NDArray[np.float32], words: Sequence[Sequence[str]]) -> NDArray[np.uint8] | None:
        """Phone ids of words given as CMU phones; returns as `align_text`."""
        names = []
        for phones in filter(None, words):
            name = "_" + "_".join(phones).lower()
            if self._decoder.lookup_word(name) is None:
                self._decoder.add_word(name, " ".join(phones), True)
            names.append(name)
        return self._align(samples, " ".join(names))

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


class OfflinePhones:
    """The phones of untranscribed speech, by word, from the offline recogniser."""

    def __init__(self) -> None:
        """Raises: InputError: the `hama` package is not installed."""
        try:
            from hama import ASRModel
        except ImportError as error:
            raise InputError("labels need the hama package: pip install 'styletalk-live[train]'") from error
        self._model = ASRModel()

    def recognize(self, samples: NDArray[np.float32]) -> list[list[str]]:
        """Returns the CMU phones of each word of (n,) float32 16 kHz samples."""
        words = self._model(samples, SPEECH_RATE).word_phoneme_text.split("|")
        phones = [" ".join(to_cmu(word.split())) for word in words]
        return [FUNCTION_WORDS.get(word, word).split() for word in phones if word]


def to_cmu(symbols: Iterable[str]) -> list[str]:
    """CMU phones of IPA symbols."""
    return [phone for symbol in symbols if symbol in IPA_TO_CMU for phone in IPA_TO_CMU[symbol].split()]


def labels_at(labels: NDArray[np.uint8], seconds: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The official-convention labels (n,) at the given times; silence outside."""
    index = np.rint((seconds - LABEL_LAG) * LABEL_RATE).astype(int)
    inside = (index >= 0) & (index < len(labels))
    return np.where(inside, labels[np.clip(index, 0, max(len(labels) - 1, 0))], SIL_INDEX).astype(np.uint8)


def _phone_id(name: str) -> int:
    return NSN_INDEX if name.startswith("+") else INDEX.get(name, SIL_INDEX)
