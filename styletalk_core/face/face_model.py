"""Linear face model `mesh64`: 64 coefficients displace the 468 face mesh vertices from a person's neutral.

Canonical space: head pose removed, unit = distance between the outer eye corners of the neutral face, x to the image
right, y down, z away from the camera. Coefficients 0..12 are the lower face, 13..63 the upper face; each has about
unit standard deviation over the training clips; all zero is the neutral face with closed lips.

Runs on: any thread; pure NumPy. Estimated by `styletalk_core.lab.training.face_model`.
"""

from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from styletalk_core.face.landmarks import INNER_LIP_PAIRS, MESH_POINTS
from styletalk_core.weights import SetName, packaged_weights

COEFFICIENTS: Final = 64
LOWER: Final = 13
"""Number of lower-face coefficients; the others move the upper face."""

_PARTS: Final = (slice(0, LOWER), slice(LOWER, COEFFICIENTS))
_DEPTH: Final = 0.5
"""Weight of z, which the tracker only estimates, relative to x and y."""
_LIP_GAP: Final = 8.0
"""Weight of the nine inner-lip gaps relative to a cheek vertex, so that closed lips are reconstructed closed."""
UPPER_LIPS, LOWER_LIPS = (list(side) for side in zip(*INNER_LIP_PAIRS, strict=True))


@dataclass(frozen=True)
class FaceModel:
    """Mean shape, expression directions and the inverse map from faces to coefficients."""

    mean: NDArray[np.float32]
    """(478, 3): mean neutral face, centred on its 468 mesh vertices."""
    directions: NDArray[np.float32]
    """(64, 478, 3): displacement per unit of each coefficient; iris rows are zero."""
    lower_share: NDArray[np.float32]
    """(468,): fraction of each vertex's motion that belongs to the lower face, 0 to 1."""
    weight: NDArray[np.float32]
    """(468,): weight of each vertex when coefficients are fitted to a face."""
    pose_leak: NDArray[np.float32]
    """(6, 468, 3): spurious displacement from the tracker when only the head turns; see `pose_terms`."""
    rest_scores: NDArray[np.float32]
    """(52,): MediaPipe's blendshape scores of neutral faces."""
    from_scores: NDArray[np.float32]
    """(52, 64): blendshape scores above rest -> coefficients."""
    to_scores: NDArray[np.float32]
    """(64, 52): coefficients -> blendshape scores above rest."""

    @classmethod
    def load(cls, path: Path | None = None) -> "FaceModel":
        """Reads a model, by default the packaged one."""
        return cls(**load_file(path or packaged_weights("mesh64.safetensors")))

    def save(self, path: Path) -> None:
        """Saves the model."""
        save_file({field.name: np.ascontiguousarray(getattr(self, field.name)) for field in fields(self)}, path)

    def offsets(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return displacements (B, 478, 3) from the neutral face for coefficients (B, 64)."""
        return (coefficients @ self.directions.reshape(COEFFICIENTS, -1)).reshape(-1, *self.mean.shape)

    def encode(
        self, vertices: NDArray[np.float32], neutral: NDArray[np.float32], turn: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Fits coefficients to canonical faces.

        Args:
            vertices: (T, >=468, 3) canonical faces.
            neutral: (>=468, 3) neutral face of the same person.
            turn: (T, 3) pitch, yaw, roll relative to the pose of the neutral in radians, for tracked faces.

        Returns:
            (T, 64) float32.
        """
        displacement = vertices[:, :MESH_POINTS] - neutral[:MESH_POINTS]
        if turn is not None:
            displacement = displacement - np.einsum("tp,pni->tni", pose_terms(turn), self.pose_leak)
        return np.asarray(displacement.reshape(len(vertices), -1) @ self._projector, np.float32)

    def map_from(self, other: "FaceModel") -> NDArray[np.float32]:
        """Return the (64, 64) map from coefficients of another model to those that fit the same faces best.

        Lower-face coefficients become lower-face ones, upper-face ones upper-face ones.
        """
        result = np.zeros((COEFFICIENTS, COEFFICIENTS), np.float32)
        for part in _PARTS:
            own, theirs = (fit_features(one.directions[part, :MESH_POINTS], self.weight) for one in (self, other))
            result[part, part] = theirs @ np.linalg.pinv(own)
        return result

    @cached_property
    def _projector(self) -> NDArray[np.float32]:
        """(1404, 64) weighted least-squares projector, separate for lower and upper directions and their motion."""
        parts = []
        shares = (self.lower_share, 1 - self.lower_share)
        for part, share in zip(_PARTS, shares, strict=True):
            unit = np.eye(3 * MESH_POINTS, dtype=np.float32).reshape(-1, MESH_POINTS, 3) * share[:, None]
            inverse = np.linalg.pinv(fit_features(self.directions[part, :MESH_POINTS], self.weight))
            parts.append(fit_features(unit, self.weight) @ inverse)
        return np.concatenate(parts, axis=1).astype(np.float32)


@cache
def map_from_weights(weights: SetName) -> NDArray[np.float32]:
    """Return the (64, 64) map from coefficients of another packaged set to those of the chosen one."""
    return FaceModel.load().map_from(FaceModel.load(packaged_weights("mesh64.safetensors", weights)))


def fit_features(displacement: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features compared when fitting faces: weighted vertices and the nine inner-lip gaps.

    Args:
        displacement: (B, 468, 3) from the neutral.
        weight: (468,) weight per vertex.

    Returns:
        (B, 1431), linear in the displacement.
    """
    axes = np.array([1, 1, _DEPTH], displacement.dtype)
    vertices = displacement * weight[:, None] * axes
    gaps = _LIP_GAP * (displacement[:, LOWER_LIPS] - displacement[:, UPPER_LIPS]) * axes
    return np.concatenate((vertices.reshape(len(vertices), -1), gaps.reshape(len(gaps), -1)), axis=1)


def pose_terms(turn: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (T, 6) terms weighted by `FaceModel.pose_leak` for pitch, yaw, roll (T, 3)."""
    pitch, yaw, roll = turn.T
    return np.stack((pitch, yaw, roll, pitch**2, yaw**2, pitch * yaw), axis=1)
