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
from styletalk_core.face.landmarks import INNER_LIP_LOWER, INNER_LIP_UPPER, MOUTH_CORNERS

OUTER: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
INNER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415)
LIPS: Final = OUTER + INNER
"""The 40 lip landmarks of the face mesh."""
_UPPER, _LOWER = (INNER_LIP_UPPER, 0), (INNER_LIP_LOWER, 17)
"""Middle of each lip, inner and outer contour."""
LIP_ARTICULATORS: Final = ("opening", "width", "corners", "upper_lip", "lower_lip", "protrusion")
"""What lips do: the gap, the distance of the corners, how high they are, how high the upper and how low the lower lip
is, and how far both stand out."""
CLOSED: Final = 0.02
"""Inner-lip gap below which the lips count as closed."""


@dataclass(frozen=True, slots=True)
class LipMap:
    """Coefficients to lip landmarks, to the inner-lip gap and to the articulators."""

    landmarks: NDArray[np.float32]
    """(64, 120): displacement of the 40 lip landmarks, x y z."""
    gap: NDArray[np.float32]
    """(64,): opening between landmarks 13 and 14."""
    articulators: NDArray[np.float32]
    """(64, 6): `LIP_ARTICULATORS`."""

    @staticmethod
    def of(model: FaceModel) -> "LipMap":
        """Derives the maps from a face model; its offsets are linear in the coefficients."""
        basis = np.asarray(model.offsets(np.eye(64, dtype=np.float32)), dtype=np.float32)
        gap = basis[:, INNER_LIP_LOWER, 1] - basis[:, INNER_LIP_UPPER, 1]
        return LipMap(basis[:, LIPS].reshape(64, -1), gap, lip_articulators(basis))

    def opening(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Inner-lip gap of coefficients (…, 64): (…,), zero when closed."""
        return coefficients @ self.gap

    def articulated(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """The lip articulators (…, 6) of coefficients (…, 64)."""
        return coefficients @ self.articulators

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Landmark map (64, 120), gap map (64,) and articulator map (64, 6) as tensors."""
        return torch.from_numpy(self.landmarks), torch.from_numpy(self.gap), torch.from_numpy(self.articulators)


def lip_articulators(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `LIP_ARTICULATORS` (N, 6), which are linear, of canonical faces or displacements (N, >=468, 3)."""
    left, right = (landmarks[:, corner] for corner in MOUTH_CORNERS)
    upper, lower = (landmarks[:, pair].mean(axis=1) for pair in (_UPPER, _LOWER))
    opening = landmarks[:, INNER_LIP_LOWER, 1] - landmarks[:, INNER_LIP_UPPER, 1]
    corners = -(left[:, 1] + right[:, 1]) / 2
    protrusion = -(upper[:, 2] + lower[:, 2]) / 2
    return np.stack([opening, right[:, 0] - left[:, 0], corners, -upper[:, 1], lower[:, 1], protrusion], axis=1)
