"""Ridge regression from windows of phone columns to motion.

A linear map has a few thousand numbers to learn. From minutes of speech it predicts the lips of people never seen
better than a network does, though it knows no styles and hardly ever shuts the lips.

Runs on: any thread; pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from styletalk_core.lab.training.clips import windows

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PhoneRegression:
    """Affine map from windows of 11 columns to D signals."""

    weight: Float
    """(451, D)"""
    offset: Float
    """(D,)"""

    @staticmethod
    def fit(examples: Sequence[tuple[Float, Float, float]], ridge: float) -> "PhoneRegression":
        """Fits examples, each phone columns (T, 41), signals (T, D) and the weight of a frame."""
        total = sum(len(signals) * each for _, signals, each in examples)
        phone_mean = sum(each * _rows(phones).sum(axis=0) for phones, _, each in examples) / total
        mean = sum(each * signals.sum(axis=0) for _, signals, each in examples) / total
        square = np.diag(np.full(len(phone_mean), ridge))
        product = np.zeros((len(phone_mean), len(mean)))
        for phones, signals, each in examples:
            rows = _rows(phones) - phone_mean
            square += each * (rows.T @ rows)
            product += each * (rows.T @ (signals - mean))
        weight = np.linalg.solve(square, product)
        return PhoneRegression(weight.astype(np.float32), np.asarray(mean - phone_mean @ weight, np.float32))

    def __call__(self, phones: Float) -> Float:
        """Return the signals (T, D) expected for phone columns (T, 41)."""
        return _rows(phones) @ self.weight + self.offset


def _rows(phones: Float) -> Float:
    return windows(phones).reshape(len(phones), -1)
