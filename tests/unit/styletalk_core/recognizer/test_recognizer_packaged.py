"""The packaged recognizer on speech, silence and invalid audio."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from styletalk_core.audio import read_audio
from styletalk_core.lab.recognizer.accuracy import score
from styletalk_core.lab.recognizer.alignment import ForcedAligner, labels_at
from styletalk_core.lab.recognizer.noise import NOISES
from styletalk_core.phones import CLOSED_LIPS, SIL_INDEX
from styletalk_core.recognizer.stream import Recognizer, RecognizerStream, frame_labels, recognize

SPEECH = Path(__file__).parents[3] / "data" / "speech" / "two_sentences.flac"
TEXT = (
    "hello my name is emma maybe we should move the big blue map above the table "
    "people who live by the water buy more boats and five fishermen were working here this morning"
)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    return read_audio(SPEECH)


@pytest.fixture(scope="module")
def labels(recognizer: Recognizer, speech: NDArray[np.float32]) -> NDArray[np.uint8]:
    return labels_of(recognizer, speech)


def labels_of(recognizer: Recognizer, samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    return frame_labels(recognize(RecognizerStream(recognizer), samples), len(samples) * 30 // 16_000)


@pytest.mark.parametrize("kind", ["white", "keyboard", "breath", "hum", "coloured"])
def test_the_mouth_stays_shut_when_there_is_no_speech(recognizer: Recognizer, kind: str) -> None:
    audio = NOISES[kind](np.random.default_rng(5), 10 * 16_000)
    assert (labels_of(recognizer, audio) == SIL_INDEX).mean() >= 0.95


def test_lips_close_where_the_text_says_so(speech: NDArray[np.float32], labels: NDArray[np.uint8]) -> None:
    aligned = ForcedAligner().align_text(speech, TEXT)
    assert aligned is not None
    reference = labels_at(aligned, np.arange(len(labels)) / 30)
    assert np.isin(reference, CLOSED_LIPS).sum() > 30
    figures = score(labels, reference)
    assert figures.strict >= 0.5
    assert figures.viseme_within_one >= 0.75
    assert figures.closure.recall >= 0.8


@pytest.mark.parametrize("gap", [0.2, 5.0])
def test_recognition_recovers_within_200_ms_of_a_gap(
    recognizer: Recognizer, speech: NDArray[np.float32], gap: float
) -> None:
    cut, silence = 3 * 16_000, np.zeros(int(gap * 16_000), np.float32)
    whole = recognize(RecognizerStream(recognizer), speech)
    broken = recognize(RecognizerStream(recognizer), np.concatenate([speech[:cut], silence, speech[cut:]]))
    resumed = 150 + len(silence) // 320 + 10
    after, expected = broken.posteriors[resumed:], whole.posteriors[160 : 160 + len(broken.posteriors) - resumed]
    same = after[: len(expected)].argmax(axis=1) == expected.argmax(axis=1)
    assert same[:50].mean() >= 0.6, "the first second after the recovery"
    assert same.mean() >= 0.9


@pytest.mark.parametrize("gain", [0.03, 0.3, 3.0])
def test_loudness_matters_little(
    recognizer: Recognizer, speech: NDArray[np.float32], labels: NDArray[np.uint8], gain: float
) -> None:
    """-30 dB, and +10 dB into clipping."""
    same = labels_of(recognizer, np.clip(gain * speech, -1, 1)) == labels
    assert same.mean() >= 0.75


def test_a_direct_current_offset_changes_nearly_nothing(
    recognizer: Recognizer, speech: NDArray[np.float32], labels: NDArray[np.uint8]
) -> None:
    same = labels_of(recognizer, speech + np.float32(0.2)) == labels
    assert same.mean() >= 0.9


def test_a_pure_tone_holds_no_phone(recognizer: Recognizer) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 700 * np.arange(5 * 16_000) / 16_000)
    labels = labels_of(recognizer, tone.astype(np.float32))
    assert (labels[30:] == SIL_INDEX).mean() >= 0.9
