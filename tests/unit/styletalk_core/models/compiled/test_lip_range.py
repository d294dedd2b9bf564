"""A style's code holds the gains with which speech moves every articulator as far as the clip does."""

from dataclasses import replace

import numpy as np
import pytest

from styletalk_core.models.compiled.lip_range import RANGE, log_gains, widening
from styletalk_core.models.dimensions import LIP_SIGNALS, Dimensions

DIMENSIONS = replace(Dimensions(), width=8, statistics=True, calibrated=True)
LOWER = len(DIMENSIONS.lower)


def clip_and_code(seed: int, frames: int = 200) -> tuple[np.ndarray, np.ndarray]:
    clip = np.random.default_rng(seed).standard_normal((frames, 64)).astype(np.float32)
    code = np.concatenate([np.zeros(8), clip.mean(axis=0), np.log(clip.std(axis=0) + 0.1)]).astype(np.float32)
    return clip, code


@pytest.fixture
def articulators() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((LOWER, LIP_SIGNALS)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_widened_speech_has_the_range_of_the_clip(seed: int, articulators: np.ndarray) -> None:
    clip, code = clip_and_code(seed)
    random = np.random.default_rng(100 + seed)
    moved = 0.8 * random.standard_normal((2000, LOWER)).astype(np.float32)
    gains = log_gains(code, clip, np.cov(moved.T, bias=True).astype(np.float32), articulators, DIMENSIONS)
    assert np.abs(gains).max() > 0.02
    deviation, back = np.exp(code[8 + 64 :][:LOWER]), np.linalg.pinv(articulators.T)
    wider = widening(gains[None], deviation[None], articulators, back)[0]
    before, after = ((motion * deviation) @ articulators for motion in (moved, moved + moved @ wider.T))
    wanted = RANGE * (clip[:, :LOWER] @ articulators).std(axis=0)
    assert after.std(axis=0) == pytest.approx(wanted, rel=1e-3)
    for column in range(LIP_SIGNALS):  # how well an articulator follows the words stays as it is
        assert np.corrcoef(before[:, column], after[:, column])[0, 1] == pytest.approx(1, abs=1e-4)


def test_without_gains_nothing_is_widened(articulators: np.ndarray) -> None:
    back = np.linalg.pinv(articulators.T)
    assert not widening(np.zeros((2, LIP_SIGNALS)), np.ones((2, LOWER)), articulators, back).any()


@pytest.mark.parametrize("factor", [0.0, 1e-4, 1e4], ids=["still", "faint", "wild"])
def test_a_strange_clip_has_gains_within_limits(factor: float, articulators: np.ndarray) -> None:
    clip, code = clip_and_code(3)
    spread = np.eye(LOWER, dtype=np.float32)
    gains = log_gains(code, clip * np.float32(factor), spread, articulators, DIMENSIONS)
    assert np.isfinite(gains).all()
    assert np.log(0.6) - 1e-6 <= gains.min() <= gains.max() <= np.log(4) + 1e-6
