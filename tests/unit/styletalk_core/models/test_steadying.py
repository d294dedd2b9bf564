"""Lips tremble less when a little of the frame before is kept, and the upper face stays as it was."""

import numpy as np
import pytest

from styletalk_core.models.steadying import KEPT, SHARE, steadied, steady


def trembling(motion: np.ndarray) -> float:
    return float(np.abs(np.diff(motion, n=3, axis=0)).mean())


def test_lips_tremble_less_and_move_as_far() -> None:
    time = np.arange(300, dtype=np.float32)[:, None]
    wanted = np.sin(time / 4) * np.ones((1, 64), np.float32)
    shaken = (wanted + 0.1 * np.cos(np.pi * time)).astype(np.float32)
    found = steadied(shaken)
    assert trembling(found[:, :13]) < 0.6 * trembling(shaken[:, :13])
    assert found[:, 0].std() == pytest.approx(wanted[:, 0].std(), rel=0.05)
    assert np.array_equal(found[:, 13:], shaken[:, 13:])


def test_frame_by_frame_is_as_a_whole() -> None:
    motion = np.random.default_rng(0).standard_normal((9, 64)).astype(np.float32)
    live = [steady(motion[max(0, frame - 1)], motion[frame]) for frame in range(9)]
    assert np.allclose(np.stack(live), steadied(motion))
    assert steadied(motion[:1])[0] == pytest.approx(motion[0]) and KEPT[0] == pytest.approx(SHARE)
