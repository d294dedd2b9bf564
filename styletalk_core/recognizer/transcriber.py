"""Live transcription with Vosk: partial results during a phrase, the final result at its end.

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
    """Transcript of a phrase: ``final`` with its words, or a partial result without."""

    text: str
    final: bool
    words: tuple[Word, ...] = ()


class Transcriber:
    """Transcribes one speaker."""

    def __init__(self, model: VoskModel) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Resets the state; second 0 is the next sample."""
        self._recognizer = self._model.recognizer()
        self._likely = ""

    def push(self, samples: NDArray[np.float32]) -> list[Transcript]:
        """Processes (n,) float32 16 kHz samples; returns changed results: a final or a partial transcript."""
        pcm = (np.clip(np.nan_to_num(samples), -1, 1) * 32_767).astype(np.int16)
        if self._recognizer.AcceptWaveform(pcm.tobytes()):
            return self._final(self._recognizer.Result())
        likely = json.loads(self._recognizer.PartialResult()).get("partial", "")
        if likely in ("", self._likely):
            return []
        self._likely = likely
        return [Transcript(likely, final=False)]

    def finish(self) -> list[Transcript]:
        """Ends the phrase; returns its final transcript unless it is empty."""
        return self._final(self._recognizer.FinalResult())

    def _final(self, result: str) -> list[Transcript]:
        self._likely = ""
        transcript = read_result(result)
        return [transcript] if transcript.text else []


def read_result(result: str) -> Transcript:
    """Parses a final result of Vosk, JSON with "text" and "result"."""
    read = json.loads(result)
    words = tuple(Word(word["word"], word["start"], word["end"]) for word in read.get("result", ()))
    return Transcript(read.get("text", ""), True, words)
