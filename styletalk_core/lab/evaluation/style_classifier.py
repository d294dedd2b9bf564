"""Style classifier for the evaluation: linear discriminant analysis, trained on real clips only.

Features are the mean and standard deviation of the coefficients over one-second windows; the within-style covariance is
shrunk towards its diagonal, because real clips are short.

Runs on: any thread; pure.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

_STRETCH: Final = 30
_STEP: Final = 5
_SHRINKAGE: Final = 0.5


class StyleClassifier:
    """Linear discriminant analysis with equal priors."""

    def __init__(self, real: Mapping[str, Float]) -> None:
        """Trains on one real motion (L, 64) per style, with L of at least 30 frames."""
        self.names = list(real)
        features = [stretch_features(motion) for motion in real.values()]
        self._means = np.stack([rows.mean(axis=0) for rows in features])
        within = np.concatenate([rows - rows.mean(axis=0) for rows in features])
        covariance = within.T @ within / len(within)
        diagonal = np.diag(covariance.diagonal() + 1e-2)
        self._precision = np.linalg.inv((1 - _SHRINKAGE) * covariance + _SHRINKAGE * diagonal)

    def classify(self, motion: Float) -> str:
        """The most likely style of a motion (T, 64), T of at least 30 frames, over all its windows."""
        away = stretch_features(motion).mean(axis=0) - self._means
        return self.names[int(np.einsum("kf,fg,kg->k", away, self._precision, away).argmin())]


def stretch_features(motion: Float) -> NDArray[np.float64]:
    """(T, 64) -> (N, 128): mean and standard deviation of every one-second window."""
    starts = range(0, len(motion) - _STRETCH + 1, _STEP)
    parts = np.stack([motion[start : start + _STRETCH] for start in starts]).astype(np.float64)
    return np.concatenate([parts.mean(axis=1), parts.std(axis=1)], axis=1)
