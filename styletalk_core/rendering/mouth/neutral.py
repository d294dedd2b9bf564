"""Neutral mouth estimation: removes smile and mouth opening from a single photo.

Runs on: any thread, once per portrait; pure.
"""

from typing import Final

import numpy as np

from styletalk_core.face.face_model import LOWER, FaceModel
from styletalk_core.face.landmarks import INNER_LIP_PAIRS, MOUTH_CORNERS
from styletalk_core.rendering.arrays import Float

_CLOSED: Final = 0.02
"""Lip gap below which a mouth counts as closed, in inter-ocular distances."""
_REGULARISATION: Final = 2e-3
_SMILE: Final = 1.10
"""Mouth width relative to the mean face above which a face counts as smiling."""


def resting_mouth(face: Float, model: FaceModel) -> Float:
    """Return the mouth coefficients (64,) of a photo, to be subtracted; zero for closed, unsmiling lips.

    Args:
        face: (478, 3) canonical landmarks of the photo.
    """
    upper, lower = np.array(INNER_LIP_PAIRS).T
    right, left = MOUTH_CORNERS
    gaps = face[lower, 1] - face[upper, 1]
    width = face[left, 0] - face[right, 0]
    usual = model.mean[left, 0] - model.mean[right, 0]
    result = np.zeros(len(model.directions), np.float32)
    if gaps.max() < _CLOSED and width < _SMILE * usual:
        return result
    directions = model.directions[:LOWER]
    rows = [directions[:, lower, 1] - directions[:, upper, 1]]
    rows.append((directions[:, left, 0] - directions[:, right, 0])[:, None])
    wanted = np.append(gaps, max(0.0, width - usual * (1 + _SMILE) / 2))
    matrix = np.concatenate(rows, axis=1).T
    normal = matrix.T @ matrix + _REGULARISATION * np.eye(LOWER)
    result[:LOWER] = np.linalg.solve(normal, matrix.T @ wanted)
    return result
