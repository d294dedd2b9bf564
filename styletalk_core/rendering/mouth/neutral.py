"""Neutral mouth estimation: removes smile and mouth opening from a single photo.

Runs on: any thread, once per portrait; pure.
"""

from typing import Final

import numpy as np

from styletalk_core.face.face_model import LOWER, FaceModel
from styletalk_core.face.landmarks import INNER_LIP_PAIRS, MESH_POINTS, MOUTH_CORNERS
from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP

_CLOSED: Final = 0.02
"""Lip gap below which a mouth counts as closed, in inter-ocular distances."""
_REGULARISATION: Final = 2e-3
_SMILE: Final = 1.10
"""Mouth width relative to the mean face above which a face counts as smiling."""
_KEPT: Final = 0.35
"""Share of a smile's width that remains: so do the folds of the cheeks, which a mouth at rest would not have."""
_REACH: Final = 0.10, 0.22
"""Distance above and below the lips within which the skin follows them when they close completely."""


def resting_offsets(face: Float, model: FaceModel) -> Float:
    """Return the displacements (478, 3) that close and relax the mouth of a photo; zero if it is at rest.

    Args:
        face: (478, 3) canonical landmarks of the photo.
    """
    upper, lower = np.array(INNER_LIP_PAIRS).T
    right, left = MOUTH_CORNERS
    gaps = face[lower, 1] - face[upper, 1]
    width = face[left, 0] - face[right, 0]
    usual = model.mean[left, 0] - model.mean[right, 0]
    if gaps.max() < _CLOSED and width < _SMILE * usual:
        return np.zeros_like(face)
    directions = model.directions[:LOWER]
    rows = [directions[:, lower, 1] - directions[:, upper, 1]]
    rows.append((directions[:, left, 0] - directions[:, right, 0])[:, None])
    wanted = np.append(gaps, (1 - _KEPT) * max(0.0, width - usual * (1 + _SMILE) / 2))
    matrix = np.concatenate(rows, axis=1).T
    normal = matrix.T @ matrix + _REGULARISATION * np.eye(LOWER)
    own = np.zeros(len(model.directions), np.float32)
    own[:LOWER] = np.linalg.solve(normal, matrix.T @ wanted)
    offsets = -model.offsets(own[None])[0]
    return np.asarray(offsets + _closing(face + offsets), np.float32)


def _closing(face: Float) -> Float:
    """Displacements (478, 3) that close the gap that the face model has left between the lips."""
    x, y = face[:MESH_POINTS, 0], face[:MESH_POINTS, 1]
    above, below = (np.interp(x, face[list(lip), 0], face[list(lip), 1]) for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
    half = np.maximum(below - above, 0) / 2
    offsets = np.zeros_like(face)
    for lip, edge, reach, down in (
        (UPPER_INNER_LIP, above, _REACH[0], 1),
        (LOWER_INNER_LIP, below, _REACH[1], -1),
    ):
        away = (edge - y) * down
        away[list(lip)] = 0
        follow = np.where(away >= 0, np.clip(1 - away / reach, 0, 1) ** 2, 0)
        offsets[:MESH_POINTS, 1] += down * follow * half
    upper, lower = np.array(INNER_LIP_PAIRS).T
    apart = (face + offsets)[lower] - (face + offsets)[upper]
    offsets[upper] += apart / 2
    offsets[lower] -= apart / 2
    return offsets
