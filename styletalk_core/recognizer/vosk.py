"""Back end `vosk`: recognized words converted to CMU phones of equal length. Needs a model supplied by the user.

Words are known only at the end of a phrase, so this back end suits recordings, not live lip sync.
"""

import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.errors import InputError
from styletalk_core.extras import import_lab
from styletalk_core.phones import INDEX, NSN_INDEX, PHONES, SIL_INDEX
from styletalk_core.recognizer.stream import COLUMN_TICKS, STEP_SAMPLES, Recognition
from styletalk_core.recognizer.transcriber import Transcriber, Transcript, Word
from styletalk_core.recognizer.vosk_model import VoskModel

MODEL_VARIABLE: Final = "STYLETALK_VOSK_MODEL"
MAX_STEPS: Final = 500
"""Maximum phrase length in steps of 20 ms: 10 s."""


class Speller:
    """Converts English words to CMU phones, with the dictionary bundled with `pocketsphinx`."""

    def __init__(self) -> None:

        self._dictionary = import_lab("pocketsphinx").Decoder(loglevel="FATAL")

    def phones(self, word: str) -> list[int]:
        """Returns phone ids; one noise symbol for a word that is not in the dictionary."""
        spelling = self._dictionary.lookup_word(word.lower())
        return [INDEX[phone] for phone in spelling.split()] if spelling else [NSN_INDEX]

    def columns(self, words: tuple[Word, ...], first: int, end: int) -> NDArray[np.int64]:
        """Returns the phone ids of 20 ms steps ``first`` up to ``end``; the phones of a word have equal length."""
        ids = np.full(end - first, SIL_INDEX)
        for word in words:
            phones = self.phones(word.text)
            bounds = np.linspace(word.start, word.end, len(phones) + 1) * SPEECH_RATE / STEP_SAMPLES
            places = np.rint(bounds).astype(int) - first
            for phone, begin, stop in zip(phones, places[:-1], places[1:], strict=True):
                ids[max(begin, 0) : max(stop, 0)] = phone
        return ids


class VoskRecognizer:
    """Implements `PhoneRecognizer`; columns are one-hot and are output one phrase at a time."""

    def __init__(self, model: str | None = None) -> None:
        """Loads ``model``, a folder or a name; defaults to the one named by the environment.

        Raises:
            InputError: no model is given, or it cannot be read or downloaded.
        """
        model = model or os.environ.get(MODEL_VARIABLE, "")
        if not model:
            raise InputError(f"the vosk back end needs a model: give --vosk-model MODEL or set {MODEL_VARIABLE}")
        self._transcriber = Transcriber(VoskModel(model))
        self._speller = Speller()
        self._heard = self._given = 0

    @property
    def delay_ticks(self) -> int:
        """Maximum ticks from the start of a column to its output."""
        return MAX_STEPS * COLUMN_TICKS

    def reset(self) -> None:
        """Resets the state; tick 0 is the next sample."""
        self._transcriber.reset()
        self._heard = self._given = 0

    def push(self, samples: NDArray[np.float32]) -> Recognition:
        """Processes (n,) float32 16 kHz samples; returns the columns of finished phrases, possibly none."""
        first, ids = self._given, []
        for start in range(0, len(samples), STEP_SAMPLES):
            piece = samples[start : start + STEP_SAMPLES]
            self._heard += len(piece)
            finals = [transcript for transcript in self._transcriber.push(piece) if transcript.final]
            if not finals and self._heard // STEP_SAMPLES - self._given >= MAX_STEPS:
                finals = self._transcriber.finish() or [Transcript("", True)]
            ids += [self._finish(transcript) for transcript in finals]
        return self._recognition(first, ids)

    def flush(self) -> Recognition:
        """Returns the columns of all audio received so far."""
        self._heard = -(-self._heard // STEP_SAMPLES) * STEP_SAMPLES
        first, finals = self._given, self._transcriber.finish() or [Transcript("", True)]
        return self._recognition(first, [self._finish(transcript) for transcript in finals])

    def _finish(self, transcript: Transcript) -> NDArray[np.int64]:
        """Returns the phone ids of the steps since the last phrase."""
        first, self._given = self._given, self._heard // STEP_SAMPLES
        return self._speller.columns(transcript.words, first, self._given)

    def _recognition(self, first: int, ids: list[NDArray[np.int64]]) -> Recognition:
        flat = np.concatenate([np.zeros(0, np.int64), *ids])
        columns = np.eye(len(PHONES), dtype=np.float32)[flat]
        return Recognition(first * COLUMN_TICKS, COLUMN_TICKS, columns, flat != SIL_INDEX)
