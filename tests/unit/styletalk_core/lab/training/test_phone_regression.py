"""The regression finds the linear part of what phones tell of motion."""

import numpy as np

from styletalk_core.lab.training.clips import windows
from styletalk_core.lab.training.phone_regression import Float, PhoneRegression
from styletalk_core.phones import CONTEXT, PHONES


def columns(seed: int, frames: int = 4000) -> Float:
    return np.random.default_rng(seed).dirichlet(np.full(len(PHONES), 0.2), frames).astype(np.float32)


def moved(phones: Float) -> Float:
    """Two signals: of the phone two frames ahead, and of those just before and now; with a mean."""
    weight = np.random.default_rng(0).standard_normal((3, len(PHONES))).astype(np.float32)
    cut = windows(phones)
    ahead = cut[:, CONTEXT + 2] @ weight[0]
    behind = cut[:, CONTEXT - 1] @ weight[1] + cut[:, CONTEXT] @ weight[2]
    return np.stack([ahead + 5, behind - 2], axis=1)


def test_a_linear_relation_is_found_and_holds_for_other_speech() -> None:
    said = columns(1)
    regression = PhoneRegression.fit([(said, moved(said), 1.0)], ridge=1e-3)
    other = columns(2, 100)
    np.testing.assert_allclose(regression(other), moved(other), atol=1e-2)


def test_without_a_relation_the_mean_is_expected_whatever_the_ridge() -> None:
    regression = PhoneRegression.fit([(columns(1), np.full((4000, 1), 7, np.float32), 1.0)], ridge=1e6)
    np.testing.assert_allclose(regression(columns(2, 100)), 7, atol=1e-3)


def test_an_example_counts_as_its_weight_says() -> None:
    said, wrong = columns(1, 1000), columns(2, 1000)
    twice = [(said, moved(said), 1.0), (said, moved(said), 1.0), (wrong, -moved(wrong), 0.5)]
    once = [(said, moved(said), 2.0), (wrong, -moved(wrong), 0.5), (wrong, moved(said), 0.0)]
    two, one = (PhoneRegression.fit(examples, ridge=1.0) for examples in (twice, once))
    np.testing.assert_allclose(two.weight, one.weight, atol=1e-4)
    np.testing.assert_allclose(two.offset, one.offset, atol=1e-4)
