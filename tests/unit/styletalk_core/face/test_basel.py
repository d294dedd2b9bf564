"""The map to the published renderer's coefficients is recovered from clips generated with it."""

import numpy as np

from styletalk_core.face.basel import BaselMap, head_features
from styletalk_core.lab.training.basel import _fit, _judge, _Pair


def _clip(made_by: BaselMap, seed: int) -> _Pair:
    generator = np.random.default_rng(seed)
    mesh = generator.standard_normal((400, 64)).astype(np.float32)
    head = head_features(
        0.2 * generator.standard_normal((400, 3)),
        0.5 + 0.02 * generator.standard_normal((400, 2)),
        0.35 + 0.01 * generator.standard_normal(400),
    )
    return _Pair(mesh, head, made_by.motion(mesh, head))


def test_the_fit_finds_the_map_that_made_the_clips() -> None:
    generator = np.random.default_rng(0)
    placement = np.zeros((7, 9), np.float32)
    placement[[0, 1, 2], [0, 1, 2]] = 1, 1, -1
    placement[[3, 4, 5], [7, 8, 6]] = 256, 256, 0.3
    true = BaselMap(
        0.1 * generator.standard_normal((64, 64)).astype(np.float32),
        generator.standard_normal(64).astype(np.float32),
        placement,
    )
    fitted = _fit([_clip(true, seed) for seed in range(8)])
    assert np.abs(fitted.placement - true.placement).max() < 0.1
    assert np.abs(fitted.rest - true.rest).max() < 0.1
    correlation, error = _judge(fitted, [_clip(true, 99)])
    assert min(correlation) > 0.98 and max(error) < 0.1


def test_the_packaged_map_knows_the_opening_of_the_lips_and_no_motion_at_rest() -> None:
    packaged = BaselMap.load()
    head = head_features(np.zeros((2, 3)), np.full((2, 2), 0.5), np.full(2, 0.35))
    expression = np.zeros((2, 64), np.float32)
    expression[1, 0] = 1
    rest, opened = packaged.motion(expression, head)
    assert np.array_equal(rest[:64], packaged.rest)
    lower = [0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14]
    change = np.abs(opened - rest)[:64]
    assert change[lower].sum() > 3 * change[15:].max()
