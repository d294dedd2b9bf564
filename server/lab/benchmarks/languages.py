"""`styletalk bench languages`: the recognizer in eight languages, and lips from told against recognized phones.

espeak-ng speaks sentences and tells its phones with their times, which are the truth: mapped to the 41 symbols by
articulation (`styletalk_core.ipa`). The recognizer hears the same audio. Both columns are decoded as in a session, the
recognized ones with the look-ahead of presenters, the told ones as far ahead as they are known there.

Runs on: the main thread; needs espeak-ng and its library. No times are measured.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.lab.benchmarks.language_sentences import SENTENCES
from server.tts.installed import MULTILINGUAL, InstalledVoice
from server.tts.voice import VoicePiece
from streaming.audio.decimator import Decimator
from streaming.audio.phone_timeline import PhoneTimeline
from streaming.units import CONTEXT, FRAME_TICKS, MODEL_SAMPLE_TICKS, STEP_TICKS
from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.recognizer.accuracy import mean_accuracy, score
from styletalk_core.lab.training.evaluation import best_correlation, closure_scores, decoded
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.models import checkpoint
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import SIL_INDEX
from styletalk_core.recognizer.stream import Recognizer, RecognizerStream, frame_columns
from styletalk_core.weights import MOTION, packaged_weights

SPEAKERS: Final = ("", "+f2")
"""Variants of each voice: a man and a woman."""
FUTURE: Final = 2
"""Look-ahead of the decoder in frames."""

Columns = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Utterance:
    """Phone columns (T, 41) of a spoken sentence at 30 fps, as told and as recognized."""

    told: Columns
    recognized: Columns

    @property
    def spoken(self) -> slice:
        """Frames from the first to the last phone."""
        frames = np.flatnonzero(self.told.argmax(axis=1) != SIL_INDEX)
        return slice(frames[0], frames[-1] + 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--languages", nargs="+", choices=list(SENTENCES), default=list(SENTENCES), help="default: all")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``languages``: accuracy of the recognizer, and closures of the lips from both, by language.

    Raises:
        InputError: espeak-ng or its library is not installed.
    """
    recognizer = RecognizerStream(Recognizer.load())
    lips = Lips()
    figures = {}
    for language in args.languages:
        spoken = list(utterances(language, recognizer))
        figures[language] = accuracy(spoken) | lips.figures(spoken, FUTURE + recognizer.delay_ticks // FRAME_TICKS)
        if not args.json:
            print(language, json.dumps(figures[language]))
    return {"languages": figures}


def utterances(language: str, recognizer: RecognizerStream) -> Iterator[Utterance]:
    """Yields the sentences of a language in every voice."""
    name, texts = SENTENCES[language]
    for speaker in SPEAKERS:
        voice = InstalledVoice(MULTILINGUAL, f"{name}{speaker}")
        for text in texts:
            piece = asyncio.run(_first(voice, text))
            if not piece.phones:
                raise InputError(f"{MULTILINGUAL} tells no phones: apt-get install {MULTILINGUAL}.")
            yield utterance(piece, recognizer)


async def _first(voice: InstalledVoice, text: str) -> VoicePiece:
    return await anext(voice.speak(text))


def utterance(piece: VoicePiece, recognizer: RecognizerStream) -> Utterance:
    """Columns of a spoken sentence on the grid of a session that starts with it."""
    frames = len(piece.samples) // FRAME_TICKS
    timeline = PhoneTimeline(capacity=(frames + 2 * CONTEXT) * FRAME_TICKS // STEP_TICKS)
    for phone in piece.phones:
        timeline.tell(phone)
    told = np.stack([timeline.window(frame * FRAME_TICKS)[0][CONTEXT] for frame in range(frames)])
    usable = len(piece.samples) // MODEL_SAMPLE_TICKS * MODEL_SAMPLE_TICKS
    return Utterance(told, frame_columns(recognizer, Decimator().push(piece.samples[:usable]), frames))


def accuracy(spoken: list[Utterance]) -> dict[str, float]:
    """Accuracy of the recognizer between the first and the last phone of each sentence."""
    told = [one.told.argmax(axis=1)[one.spoken] for one in spoken]
    recognized = [one.recognized.argmax(axis=1)[one.spoken] for one in spoken]
    pooled = score(np.concatenate(recognized).astype(np.uint8), np.concatenate(told).astype(np.uint8))
    return mean_accuracy([pooled], [1])


class Lips:
    """Decodes columns in the style that a call starts with."""

    def __init__(self) -> None:
        self._network: StyleTalk = checkpoint.load(packaged_weights(MOTION)).model
        self._lips = LipMap.of(FaceModel.load())
        library = StyleLibrary(None)
        self._style = library.get(library.default()).coefficients

    def figures(self, spoken: list[Utterance], future_told: int) -> dict[str, float]:
        """Closed lips on the P, B and M that were told, from recognized and from told columns; their correlation."""
        phones = np.concatenate([one.told.argmax(axis=1) for one in spoken])
        heard = np.concatenate([self._opening(one.recognized, FUTURE) for one in spoken])
        known = np.concatenate([self._opening(one.told, future_told) for one in spoken])
        found = (*closure_scores(heard, phones), *closure_scores(known, phones), best_correlation(heard, known)[0])
        keys = ("lips_recall", "lips_precision", "told_lips_recall", "told_lips_precision", "lips_correlation")
        return {key: round(value, 4) for key, value in zip(keys, found, strict=True)}

    def _opening(self, columns: Columns, future: int) -> Columns:
        return self._lips.opening(decoded(self._network, columns, self._style, future))
