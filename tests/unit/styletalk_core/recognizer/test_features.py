"""Features are causal, independent of block boundaries, and invariant to the recording level once settled."""

import numpy as np
import pytest

from styletalk_core.lab.recognizer.noise import coloured, music
from styletalk_core.recognizer.features import FeatureState, extract, log_mel

SOUND = music(np.random.default_rng(1), 32_000)


def test_pieces_give_the_same_features_as_the_whole() -> None:
    whole, _ = extract(SOUND[None], FeatureState.zeros(1))
    state, parts = FeatureState.zeros(1), []
    for piece in SOUND.reshape(-1, 320):
        features, state = extract(piece[None], state)
        parts.append(features)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)


def test_later_samples_change_no_earlier_feature() -> None:
    changed = SOUND.copy()
    changed[16_000:] = 0.9
    before, _ = extract(SOUND[None], FeatureState.zeros(1))
    after, _ = extract(changed[None], FeatureState.zeros(1))
    np.testing.assert_array_equal(before[:, :100], after[:, :100])
    assert np.abs(before[:, 100] - after[:, 100]).max() > 0.1


def test_a_full_scale_tone_has_about_0_db_in_its_band() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(1600) / 16_000).astype(np.float32)
    assert log_mel(tone).max() == pytest.approx(0, abs=2)


def test_twenty_decibels_less_look_the_same_after_a_moment() -> None:
    noise = coloured(np.random.default_rng(2), 64_000)
    loud, _ = extract(noise[None], FeatureState.zeros(1))
    quiet, _ = extract(0.1 * noise[None], FeatureState.zeros(1))
    assert np.abs(loud[:, 100:] - quiet[:, 100:]).mean() < 0.1
