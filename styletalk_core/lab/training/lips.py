"""Lip geometry of the face model as linear maps of the coefficients, cheap enough for a training objective.

Runs on: any thread; pure. Units: the inter-ocular distance between the outer eye corners.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styletalk_core.face.face_model import FaceModel

OUTER: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
INNER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415)
LIPS: Final = OUTER + INNER
"""The 40 lip landmarks of the face mesh."""
UPPER_INNER: Final = 13
LOWER_INNER: Final = 14
CLOSED: Final = 0.02
"""Inner-lip gap below which the lips count as closed."""


@dataclass(frozen=True, slots=True)
class LipMap:
    """Coefficients to lip landmarks and to the inner-lip gap."""

    landmarks: NDArray[np.float32]
    """(64, 120): displacement of the 40 lip landmarks, x y z."""
    gap: NDArray[np.float32]
    """(64,): opening between landmarks 13 and 14."""

    @staticmethod
    def of(model: FaceModel) -> "LipMap":
        """Derives the maps from a face model; its offsets are linear in the coefficients."""
        basis = np.asarray(model.offsets(np.eye(64, dtype=np.float32)), dtype=np.float32)
        gap = basis[:, LOWER_INNER, 1] - basis[:, UPPER_INNER, 1]
        return LipMap(basis[:, LIPS].reshape(64, -1), gap)

    def opening(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Inner-lip gap of coefficients (…, 64): (…,), zero when closed."""
        return coefficients @ self.gap

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Landmark map (64, 120) and gap map (64,) as tensors."""
        return torch.from_numpy(self.landmarks), torch.from_numpy(self.gap)
