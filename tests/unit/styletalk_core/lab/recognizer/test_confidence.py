"""Proves that reliability is counted by bins, and that the temperature of columns that are too sure is found."""

import numpy as np
import pytest

from styletalk_core.lab.recognizer.confidence import best_temperature, reliability, tempered


def columns(temperature: float, count: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """Columns (count, 41) whose logarithms are ``temperature`` times too large, and phones drawn from the true ones."""
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.full(41, 0.2), count).astype(np.float32) + np.float32(1e-6)
    true /= true.sum(axis=1, keepdims=True)
    labels = (rng.random((count, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, 40).astype(np.uint8)
    return tempered(true, 1 / temperature), labels


def test_the_error_is_the_mean_difference_of_probability_and_accuracy() -> None:
    posteriors = np.zeros((4, 41), np.float32)
    posteriors[:, 0], posteriors[:, 1] = 0.75, 0.25
    found = reliability(posteriors, np.array([0, 0, 1, 1], np.uint8))
    assert found.error == pytest.approx(0.25)
    assert found.share[7] == 1 and found.confidence[7] == pytest.approx(0.75) and found.accuracy[7] == 0.5
    assert np.isnan(found.accuracy[0])


@pytest.mark.parametrize("temperature", [0.8, 1.0, 1.5])
def test_columns_that_are_too_sure_are_made_to_doubt_as_much_as_they_are_wrong(temperature: float) -> None:
    posteriors, labels = columns(temperature)
    found = best_temperature(posteriors, labels)
    assert found == pytest.approx(temperature, abs=0.1)
    assert reliability(tempered(posteriors, found), labels).error < 0.03
    np.testing.assert_allclose(tempered(posteriors, found).sum(axis=1), 1, atol=1e-5)
