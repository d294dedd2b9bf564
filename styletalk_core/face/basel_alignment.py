"""Alignment of faces as the authors align theirs, from MediaPipe landmarks.

The official code (Deep3DFaceRecon, used by PIRenderer) fits five points of the face (eyes, nose, corners of the mouth)
to a standard face by a scaled orthographic projection; its scale and position are the crop parameters of the renderer.
The standard face is part of the Basel model, which must not be passed on; the one here is estimated from the crop
parameters of the official samples. On other people the position agrees within 1.5 px of 256 and the scale within 2 %.

Runs on: any thread; pure.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.landmarks import IBUG

Array = NDArray[np.float32]

SIDE: Final = 256
"""Side of an aligned image, px."""
STANDARD_SIZE: Final = 102.0
"""Size of the standard face in the image that the official coefficients are read from, px."""
_NOSE, _LEFT_EYE, _RIGHT_EYE, _MOUTH = IBUG[30], (IBUG[36], IBUG[39]), (IBUG[42], IBUG[45]), (IBUG[48], IBUG[54])
FIVE: Final = (*_LEFT_EYE, *_RIGHT_EYE, _NOSE, *_MOUTH)
"""Landmarks from which the five points are computed: the corners of both eyes, nose, corners of the mouth."""


def five_points(landmarks: Array, height: float) -> NDArray[np.float64]:
    """Return the five points of faces, (N, 5, 2) px, y upwards from the lowest row.

    Args:
        landmarks: (N, 7, >=2) px, the landmarks `FIVE`.
        height: of the image, px.
    """
    corners = landmarks[..., :2].astype(np.float64)
    points = np.stack(
        [
            corners[:, 0:2].mean(axis=1),
            corners[:, 2:4].mean(axis=1),
            *(corners[:, index] for index in (4, 5, 6)),
        ],
        axis=1,
    )
    points[..., 1] = height - 1 - points[..., 1]
    return points


def crop_parameters(points: NDArray[np.float64], standard: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return scale and position (N, 3) of `five_points` (N, 5, 2), as the official ``align_img`` for ``standard``."""
    fit = np.linalg.pinv(np.column_stack([standard, np.ones(len(standard))]))
    affine = np.einsum("ij,tjc->tic", fit, points)
    size = np.linalg.norm(affine[:, :3], axis=1).mean(axis=1)
    return np.column_stack([STANDARD_SIZE / size, affine[:, 3]])


def aligned_square(landmarks: Array, height: float, standard: Array, aligned: Array) -> tuple[int, int, int]:
    """Return left, top and side of the square whose face lies as in an image aligned by the authors, px.

    Args:
        landmarks: (>=468, 3) px.
        height: of the image, px.
        standard: see `BaselMap.five_points`.
        aligned: see `BaselMap.aligned`.
    """
    scale, x, up = crop_parameters(five_points(landmarks[None, list(FIVE)], height), standard)[0]
    side = SIDE * float(aligned[0]) / scale
    left = x - float(aligned[1]) * side / SIDE
    top = height - 1 - up - (SIDE - 1 - float(aligned[2])) * side / SIDE
    return round(left), round(top), round(side)
