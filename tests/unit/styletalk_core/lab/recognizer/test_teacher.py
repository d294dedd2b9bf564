"""The teacher learns phones from features, is the same for the same seed, and labels an utterance once."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer import teacher
from styletalk_core.lab.recognizer.corpus import CorpusUtterance
from styletalk_core.lab.recognizer.teacher import INPUTS, LabelledFeatures, TeacherLabels, train_teacher
from styletalk_core.phones import INDEX, SIL_INDEX


def recording(seed: int) -> LabelledFeatures:
    """Columns of silence and of a vowel that one feature tells apart."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.choice([SIL_INDEX, INDEX["AA"]], 12), 10).astype(np.uint8)
    features = rng.normal(0, 0.1, (len(labels), INPUTS)).astype(np.float16)
    features[labels == INDEX["AA"], :40] += 2
    return LabelledFeatures(features, labels)


def test_the_teacher_knows_the_phones_of_a_recording_that_it_did_not_learn_from() -> None:
    network = train_teacher([recording(seed) for seed in range(3)], steps=25)
    unseen = recording(9)
    posteriors = network.posteriors(unseen.features)
    assert posteriors.shape == (120, 41)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-2)
    assert (posteriors.argmax(axis=1) == unseen.labels).mean() > 0.95


def test_the_same_seed_gives_the_same_teacher() -> None:
    material = [recording(0)]
    first, again = (train_teacher(material, steps=2, seed=3).state_dict() for _ in range(2))
    assert all((first[name] == again[name]).all() for name in first)


def test_without_an_aligned_recording_it_says_how_to_get_one(tmp_path: Path) -> None:
    spoken = CorpusUtterance("a/c", "GRID", "s", "train", np.zeros(6400, np.int16), np.zeros(0, np.uint8))
    with pytest.raises(InputError, match="no aligned recording for the teacher: run once without --no-align"):
        TeacherLabels(tmp_path, [spoken])


class _Encoder:
    calls = 0

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        _Encoder.calls += 1
        return np.zeros((len(samples) // 320, INPUTS), np.float16)


def test_an_utterance_is_labelled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "EncoderFeatures", _Encoder)
    _Encoder.calls = 0
    aligned = CorpusUtterance("a/b", "librispeech", "s", "train", np.zeros(6400, np.int16), np.zeros(40, np.uint8))
    silent = CorpusUtterance("a/c", "GRID", "s", "train", np.zeros(6400, np.int16), np.zeros(0, np.uint8))
    first = TeacherLabels(tmp_path, [aligned, silent], steps=1).of(silent)
    assert first.shape == (20, 41) and _Encoder.calls == 2
    again = TeacherLabels(tmp_path, [aligned, silent]).of(silent)
    np.testing.assert_array_equal(first, again)
    assert _Encoder.calls == 2
