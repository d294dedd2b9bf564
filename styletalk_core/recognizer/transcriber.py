"""Words as they are spoken, by Vosk: what is likely so far, and what was said when a phrase is over.

Optional: needs the `vosk` package and a model of the user's own, in any language. Runs on: any single thread.
"""

import importlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.errors import InputError


@dataclass(frozen=True, slots=True)
class Word:
    """One word from ``start`` to ``end``, in seconds from the transcriber's first sample."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """``final``: what was said in a phrase, with its words; otherwise what is likely so far, without."""

    text: str
    final: bool
    words: tuple[Word, ...] = ()


class TranscriptionModel:
    """A Vosk model, shared by all transcribers."""

    def __init__(self, folder: Path) -> None:
        """Raises: InputError: vosk is not installed, or the folder holds no model."""
        check_model(folder)
        self._vosk = importlib.import_module("vosk")
        self._vosk.SetLogLevel(-1)
        try:
            self._model = self._vosk.Model(str(folder))
        except Exception as error:  # the library raises a bare Exception
            raise InputError(f"{folder} holds a Vosk model that cannot be read") from error

    def recognizer(self) -> Any:
        """A new recogniser of 16 kHz sound that gives word times."""
        recognizer = self._vosk.KaldiRecognizer(self._model, SPEECH_RATE)
        recognizer.SetWords(True)
        return recognizer


def check_model(folder: Path) -> None:
    """Makes sure that a model could be opened, without opening it.

    Raises:
        InputError: vosk is not installed, or the folder holds no model.
    """
    if importlib.util.find_spec("vosk") is None:
        raise InputError("captions and the vosk back end need a package: pip install 'styletalk-live[vosk]'")
    if not (folder / "am").is_dir() or not (folder / "graph").is_dir():
        raise InputError(f"{folder} is no Vosk model: unpack one from alphacephei.com/vosk/models and name its folder")


class Transcriber:
    """Hears one speaker."""

    def __init__(self, model: TranscriptionModel) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Forgets everything; second 0 is the next sample."""
        self._recognizer = self._model.recognizer()
        self._likely = ""

    def push(self, samples: NDArray[np.float32]) -> list[Transcript]:
        """Hears (n,) float32 16 kHz samples; returns what changed: the end of a phrase, or what is likely now."""
        pcm = (np.clip(np.nan_to_num(samples), -1, 1) * 32_767).astype(np.int16)
        if self._recognizer.AcceptWaveform(pcm.tobytes()):
            return self._final(self._recognizer.Result())
        likely = json.loads(self._recognizer.PartialResult()).get("partial", "")
        if likely in ("", self._likely):
            return []
        self._likely = likely
        return [Transcript(likely, final=False)]

    def finish(self) -> list[Transcript]:
        """Ends the phrase; returns what was said, if anything was."""
        return self._final(self._recognizer.FinalResult())

    def _final(self, result: str) -> list[Transcript]:
        self._likely = ""
        transcript = read_result(result)
        return [transcript] if transcript.text else []


def read_result(result: str) -> Transcript:
    """A final result of Vosk, JSON with "text" and "result"."""
    read = json.loads(result)
    words = tuple(Word(word["word"], word["start"], word["end"]) for word in read.get("result", ()))
    return Transcript(read.get("text", ""), True, words)
