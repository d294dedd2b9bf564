"""Training batches are repeatable by number, and labels follow the audio at any speed."""

import numpy as np
import pytest

from styletalk_core.lab.recognizer import augmentation
from styletalk_core.lab.recognizer.augmentation import Augmenter, SpeechClip
from styletalk_core.phones import INDEX, SIL_INDEX


@pytest.fixture(scope="module")
def augmenter() -> Augmenter:
    """Clips in which a vowel is a loud band and silence is quiet; one noise of each kind keeps it fast."""
    rng = np.random.default_rng(0)
    clips = []
    for _ in range(5):
        labels = np.repeat(rng.choice([SIL_INDEX, INDEX["AA"]], 20), 25).astype(np.uint8)
        decibels = np.full((500, 80), -90, np.float16)
        decibels[labels == INDEX["AA"], 20:40] = -20
        clips.append(SpeechClip("GRID", decibels, labels))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentation, "NOISE_SECONDS", 5)
        patch.setattr(augmentation, "NOISE_CLIPS", 1)
        return Augmenter(clips, {"GRID": 1.0, "other": 1.0}, seed=7)


def test_a_batch_depends_on_its_number_only(augmenter: Augmenter) -> None:
    first, other, again = (augmenter.batch(number, 4, 100) for number in (3, 4, 3))
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not np.array_equal(first.features, other.features)


def test_shapes_and_values(augmenter: Augmenter) -> None:
    batch = augmenter.batch(0, 4, 100)
    assert batch.features.shape == (4, 200, 80) and batch.labels.shape == (4, 100)
    assert np.isfinite(batch.features).all()


def test_labels_match_their_audio(augmenter: Augmenter) -> None:
    batch = augmenter.batch(1, 64, 100)
    loud = batch.features.reshape(64, 100, 2, 80)[..., 25:35].mean(axis=(2, 3))
    vowel = batch.labels == INDEX["AA"]
    inner = vowel[:, 1:-1] & vowel[:, :-2] & vowel[:, 2:]
    quiet = ~(vowel[:, 1:-1] | vowel[:, :-2] | vowel[:, 2:])
    assert loud[:, 1:-1][inner].mean() > loud[:, 1:-1][quiet].mean() + 0.5
    correlations = [
        np.corrcoef(loud[:, max(s, 0) : 100 + min(s, 0)].ravel(), vowel[:, max(-s, 0) : 100 - max(s, 0)].ravel())[0, 1]
        for s in range(-4, 5)
    ]
    assert abs(int(np.argmax(correlations)) - 4) <= 2
