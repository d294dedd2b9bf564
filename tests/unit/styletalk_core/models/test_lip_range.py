"""A style's code is changed until speech is expected to move every articulator as far as the clip does."""

from dataclasses import replace

import numpy as np
import pytest

from styletalk_core.models.dimensions import LIP_SIGNALS, Dimensions
from styletalk_core.models.lip_range import RANGE, with_range

DIMENSIONS = replace(Dimensions(), width=8, statistics=True, calibrated=True)
LOWER = len(DIMENSIONS.lower)


def expected_ranges(code: np.ndarray, spread: np.ndarray, articulators: np.ndarray) -> np.ndarray:
    deviation = np.exp(code[8 + 64 :][:LOWER])
    return np.sqrt(np.einsum("ka,k,kl,l,la->a", articulators, deviation, spread, deviation, articulators))


def clip_and_code(seed: int, frames: int = 200) -> tuple[np.ndarray, np.ndarray]:
    clip = np.random.default_rng(seed).standard_normal((frames, 64)).astype(np.float32)
    code = np.concatenate([np.zeros(8), clip.mean(axis=0), np.log(clip.std(axis=0) + 0.1)]).astype(np.float32)
    return clip, code


@pytest.fixture
def articulators() -> np.ndarray:
    mixing = np.random.default_rng(0).standard_normal((LOWER, LIP_SIGNALS))
    return mixing.astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_expected_ranges_come_nearer_to_those_of_the_clip(seed: int, articulators: np.ndarray) -> None:
    clip, code = clip_and_code(seed)
    mixing = np.random.default_rng(100 + seed).standard_normal((LOWER, LOWER)) / LOWER
    spread = (0.4 * np.eye(LOWER) + 0.4 * mixing @ mixing.T).astype(np.float32)
    wanted = RANGE * (clip[:, :LOWER] @ articulators).std(axis=0)
    changed = with_range(code, clip, spread, articulators, DIMENSIONS)
    before, after = (np.abs(np.log(expected_ranges(c, spread, articulators) / wanted)) for c in (code, changed))
    assert before.max() > 0.2
    assert after.max() < 0.5 * before.max() and after.max() < 0.1


def test_only_deviations_of_the_lower_face_change(articulators: np.ndarray) -> None:
    clip, code = clip_and_code(1)
    changed = with_range(code, clip, 0.5 * np.eye(LOWER, dtype=np.float32), articulators, DIMENSIONS)
    places = np.flatnonzero(changed != code)
    assert len(places) and set(places) <= set(range(8 + 64, 8 + 64 + LOWER))


def test_speech_that_moves_as_it_should_is_left_alone(articulators: np.ndarray) -> None:
    clip, code = clip_and_code(2)
    deviation = np.exp(code[8 + 64 :][:LOWER])
    spread = (RANGE**2 * np.cov(clip[:, :LOWER].T, bias=True) / np.outer(deviation, deviation)).astype(np.float32)
    assert with_range(code, clip, spread, articulators, DIMENSIONS) == pytest.approx(code, abs=1e-3)


@pytest.mark.parametrize("factor", [0.0, 1e-4, 1e4], ids=["still", "faint", "wild"])
def test_a_strange_clip_changes_deviations_within_limits(factor: float, articulators: np.ndarray) -> None:
    clip, code = clip_and_code(3)
    changed = with_range(code, clip * np.float32(factor), np.eye(LOWER, dtype=np.float32), articulators, DIMENSIONS)
    assert np.isfinite(changed).all()
    assert np.abs(changed - code).max() <= np.log(2)
