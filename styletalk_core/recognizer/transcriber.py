"""Words as they are spoken, by Vosk: what is likely so far, and what was said when a phrase is over.

Needs a model, in any language. Runs on: any single thread.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from styletalk_core.recognizer.vosk_model import VoskModel


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


class Transcriber:
    """Hears one speaker."""

    def __init__(self, model: VoskModel) -> None:
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
