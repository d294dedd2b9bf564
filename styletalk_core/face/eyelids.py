"""Eyelids: their gap, blinks in a recorded motion, and an eye that is kept shut.

Pure.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import Array
from styletalk_core.face.landmarks import (
    LOWER_LID_LEFT,
    LOWER_LID_RIGHT,
    MESH_POINTS,
    MIRROR,
    UPPER_LID_LEFT,
    UPPER_LID_RIGHT,
)

_BLINK: Final = 0.6
"""Share of the median lid gap below which an eye is blinking."""
_MARGIN_FRAMES: Final = 3
_SHUT: Final = 0.45
"""Share of the other eye's gap below which an eye is kept shut."""


def lid_gaps(faces: Array) -> Array:
    """Return the vertical lid gaps (..., 2), image-left eye first, of canonical faces (..., >=468, 3)."""
    pairs = ((UPPER_LID_LEFT, LOWER_LID_LEFT), (UPPER_LID_RIGHT, LOWER_LID_RIGHT))
    gaps = [(faces[..., list(lower), 1] - faces[..., list(upper), 1]).mean(axis=-1) for upper, lower in pairs]
    return np.stack(gaps, axis=-1)


def lid_gaps_of(coefficients: Array, model: FaceModel) -> Array:
    """Return the vertical lid gaps (T, 2) of coefficients (T, 64) on the mean neutral face."""
    return np.asarray(lid_gaps(model.mean) + coefficients @ lid_gaps(model.directions), np.float32)


def blinking(gap: Array) -> NDArray[np.bool_]:
    """Return the frames (T,) in which the lids, ``gap`` (T,) apart, blink, with a margin."""
    closed = gap < _BLINK * np.median(gap)
    return np.asarray(np.convolve(closed, np.ones(2 * _MARGIN_FRAMES + 1), mode="same") > 0)


def without_blinks(coefficients: Array, model: FaceModel) -> Array:
    """Return coefficients (T, C) of a motion with blinks bridged in all of them; unchanged if the eyes never open."""
    blinks = blinking(lid_gaps_of(coefficients, model).mean(axis=-1))
    if blinks.all() or not blinks.any():
        return coefficients
    time = np.arange(len(coefficients))
    columns = [np.interp(time, time[~blinks], column[~blinks]) for column in coefficients.T]
    return np.stack(columns, axis=1).astype(np.float32)


def shut_eye(coefficients: Array, model: FaceModel) -> int | None:
    """Return the eye that is kept shut through a motion (T, 64), 0 for the image-left one; None if both are open."""
    left, right = np.median(lid_gaps_of(coefficients, model), axis=0)
    if min(left, right) >= _SHUT * max(left, right):
        return None
    return int(right < left)


def with_open_eye(coefficients: Array, eye: int, model: FaceModel) -> Array:
    """Return coefficients (T, 64) whose upper half of the face on one side mirrors the other side."""
    offsets = model.offsets(coefficients)[:, :MESH_POINTS]
    mirror = MIRROR[:MESH_POINTS]
    side = model.mean[:MESH_POINTS, 0] > 0 if eye else model.mean[:MESH_POINTS, 0] < 0
    taken = (side * (1 - model.lower_share)).astype(np.float32)[:, None]
    mirrored = offsets[:, mirror] * np.array([-1, 1, 1], np.float32)
    mean = model.mean[:MESH_POINTS]
    return model.encode(mean + offsets + taken * (mirrored - offsets), mean)
