"""Back end `vosk`: recognised words, spelled in CMU phones of even length. Needs a model of the user's own.

Words are known only when a phrase is over, so this back end fits recordings and captions, not live lips.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.errors import InputError
from styletalk_core.phones import INDEX, NSN_INDEX, PHONES, SIL_INDEX
from styletalk_core.recognizer.stream import COLUMN_TICKS, STEP_SAMPLES, Recognition

MODEL_VARIABLE: Final = "STYLETALK_VOSK_MODEL"
LONGEST_STEPS: Final = 500
"""Steps of 20 ms after which a phrase is ended by force: 10 s."""


class VoskRecognizer:
    """Implements `PhoneRecognizer`; columns are one-hot and come out in bursts, a phrase at a time."""

    def __init__(self, model: Path | None = None) -> None:
        """Raises: InputError: no model folder is named, or the folder holds no model."""
        folder = model or Path(os.environ.get(MODEL_VARIABLE, ""))
        if not (folder / "am").is_dir():
            raise InputError(f"the vosk back end needs a model: unpack one and set {MODEL_VARIABLE} to its folder")
        import vosk

        vosk.SetLogLevel(-1)
        self._recognizer: Any = vosk.KaldiRecognizer(vosk.Model(str(folder)), SPEECH_RATE)
        self._recognizer.SetWords(True)
        self._dictionary = Decoder(loglevel="FATAL")
        self.reset()

    @property
    def delay_ticks(self) -> int:
        """Most ticks from the start of a column to the moment it comes out."""
        return LONGEST_STEPS * COLUMN_TICKS

    def reset(self) -> None:
        """Forgets everything; tick 0 is the next sample."""
        self._recognizer.Reset()
        self._heard = self._given = 0

    def push(self, samples: NDArray[np.float32]) -> Recognition:
        """Hears (n,) float32 16 kHz samples; returns the columns of the phrases that ended, maybe none."""
        first, ids = self._given, []
        pcm = (np.clip(np.nan_to_num(samples), -1, 1) * 32767).astype(np.int16)
        for start in range(0, len(pcm), STEP_SAMPLES):
            piece = pcm[start : start + STEP_SAMPLES]
            self._heard += len(piece)
            if self._recognizer.AcceptWaveform(piece.tobytes()):
                ids.append(self._finish(json.loads(self._recognizer.Result())))
            elif self._heard // STEP_SAMPLES - self._given >= LONGEST_STEPS:
                ids.append(self._finish(json.loads(self._recognizer.FinalResult())))
        return self._recognition(first, ids)

    def flush(self) -> Recognition:
        """Returns the columns of everything heard so far."""
        self._heard = -(-self._heard // STEP_SAMPLES) * STEP_SAMPLES
        return self._recognition(self._given, [self._finish(json.loads(self._recognizer.FinalResult()))])

    def _finish(self, result: dict[str, Any]) -> NDArray[np.int64]:
        """Phone ids of the steps since the last phrase."""
        end = self._heard // STEP_SAMPLES
        ids = np.full(end - self._given, SIL_INDEX)
        for word in result.get("result", ()):
            spelling = self._dictionary.lookup_word(word["word"])
            phones = [INDEX[phone] for phone in spelling.split()] if spelling else [NSN_INDEX]
            bounds = np.linspace(word["start"], word["end"], len(phones) + 1) * SPEECH_RATE / STEP_SAMPLES
            places = np.rint(bounds).astype(int) - self._given
            for phone, begin, stop in zip(phones, places[:-1], places[1:], strict=True):
                ids[max(begin, 0) : max(stop, 0)] = phone
        self._given = end
        return ids

    def _recognition(self, first: int, ids: list[NDArray[np.int64]]) -> Recognition:
        flat = np.concatenate([np.zeros(0, np.int64), *ids])
        columns = np.eye(len(PHONES), dtype=np.float32)[flat]
        return Recognition(first * COLUMN_TICKS, COLUMN_TICKS, columns, flat != SIL_INDEX)
