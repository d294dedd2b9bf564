"""How far the recognizer's probabilities can be believed: reliability and the temperature that mends it. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 10
TEMPERATURES: Final = np.round(np.arange(0.5, 2.51, 0.05), 2)


@dataclass(frozen=True, slots=True)
class Reliability:
    """Columns by their highest probability, in `BINS` bins; an empty bin has NaN.

    share, confidence, accuracy: (BINS,) share of the columns, mean highest probability, share that is right. error: the
    expected calibration error, the mean difference of the last two.
    """

    share: NDArray[np.float64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: float


def reliability(posteriors: NDArray[np.float32], labels: NDArray[np.uint8]) -> Reliability:
    """Compares columns (T, 41) with phone ids (T,)."""
    confidence, right = posteriors.max(axis=1), posteriors.argmax(axis=1) == labels
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS).astype(float)
    with np.errstate(invalid="ignore"):
        believed, true = (np.bincount(place, values, BINS) / count for values in (confidence, right.astype(float)))
    share = count / count.sum()
    return Reliability(share, believed, true, float(np.nansum(share * np.abs(believed - true))))


def tempered(posteriors: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Columns (T, 41) with their logarithms divided by a temperature; above 1 they doubt more."""
    powered = posteriors ** np.float32(1 / temperature)
    return np.asarray(powered / powered.sum(axis=1, keepdims=True), np.float32)


def best_temperature(posteriors: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """The one of `TEMPERATURES` under which the labels (T,) are most likely."""
    chosen = np.arange(len(labels)), labels
    losses = [-np.log(np.maximum(tempered(posteriors, float(t))[chosen], 1e-7)).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])
