"""Training batches are repeatable by number, and targets follow the audio at any speed."""

import numpy as np
import pytest

from styletalk_core.lab.recognizer import augmentation
from styletalk_core.lab.recognizer.augmentation import Augmenter, SpeechClip
from styletalk_core.phones import INDEX, PHONES, SIL_INDEX


@pytest.fixture(scope="module")
def augmenter() -> Augmenter:
    """Clips in which a vowel is a loud band and silence is quiet; one noise of each kind keeps it fast."""
    rng = np.random.default_rng(0)
    clips = []
    for _ in range(5):
        labels = np.repeat(rng.choice([SIL_INDEX, INDEX["AA"]], 20), 12)
        decibels = np.full((480, 80), -90, np.float16)
        decibels[np.repeat(labels == INDEX["AA"], 2), 20:40] = -20
        clips.append(SpeechClip("GRID", decibels, np.eye(len(PHONES), dtype=np.float16)[labels]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentation, "NOISE_SECONDS", 5)
        patch.setattr(augmentation, "NOISE_CLIPS", 1)
        return Augmenter(clips, {"GRID": 1.0, "other": 1.0}, seed=7)


def test_a_batch_depends_on_its_number_only(augmenter: Augmenter) -> None:
    first, other, again = (augmenter.batch(number, 4, 100) for number in (3, 4, 3))
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert not np.array_equal(first.features, other.features)


def test_shapes_and_values(augmenter: Augmenter) -> None:
    batch = augmenter.batch(0, 4, 100)
    assert batch.features.shape == (4, 200, 80) and batch.targets.shape == (4, 100, 41)
    assert np.isfinite(batch.features).all()
    np.testing.assert_allclose(batch.targets.sum(axis=2), 1, atol=1e-3)


def test_targets_match_their_audio(augmenter: Augmenter) -> None:
    batch = augmenter.batch(1, 64, 100)
    loud = batch.features.reshape(64, 100, 2, 80)[..., 25:35].mean(axis=(2, 3))
    vowel = batch.targets.argmax(axis=2) == INDEX["AA"]
    inner = vowel[:, 1:-1] & vowel[:, :-2] & vowel[:, 2:]
    quiet = ~(vowel[:, 1:-1] | vowel[:, :-2] | vowel[:, 2:])
    assert loud[:, 1:-1][inner].mean() > loud[:, 1:-1][quiet].mean() + 0.5
    correlations = [
        np.corrcoef(loud[:, max(s, 0) : 100 + min(s, 0)].ravel(), vowel[:, max(-s, 0) : 100 - max(s, 0)].ravel())[0, 1]
        for s in range(-4, 5)
    ]
    assert abs(int(np.argmax(correlations)) - 4) <= 2
