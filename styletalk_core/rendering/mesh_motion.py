"""Mesh deformation: applies expression, blink and pose of one frame, in one compiled call on small arrays.

Besides the vertices it yields what the layers behind lips and lids are drawn by: the curves of the openings, how far
the eyes have closed, and the maps that undo the head's motion.
Runs on: any thread; pure. Compiled by numba on first use and cached beside the module.
"""

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np

from styletalk_core.face.head_pose import NEARER_PER_SCALE
from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.face_mesh import EYES, FACE_OVAL, LANDMARKS, LOWER_INNER_LIP, UPPER_INNER_LIP, HeadMesh
from styletalk_core.rendering.mouth.anatomy import JAW
from styletalk_core.rendering.raster.opening import smooth_curve

_SEALED: Final = 0.014
"""Inter-ocular distances between the lips below which they are drawn together."""
_LIDS_MEET: Final = 0.12
"""Share of the way that the lower lid comes up in a blink."""
_FOLD_FOLLOWS: Final = 0.42
"""How far the skin above the upper lid comes down with it."""
_LID_MIDDLE: Final = slice(2, 7)

_UPPER_LIDS: Final = np.array([eye.upper_lid for eye in EYES], np.int32)
_LOWER_LIDS: Final = np.array([eye.lower_lid for eye in EYES], np.int32)
_FOLDS: Final = np.array([eye.upper_fold for eye in EYES], np.int32)
_CREASES: Final = np.column_stack([_UPPER_LIDS[:, :1], _FOLDS, _UPPER_LIDS[:, -1:]])
_UPPER_LIP, _LOWER_LIP = np.array(UPPER_INNER_LIP, np.int32), np.array(LOWER_INNER_LIP, np.int32)
_OVAL, _JAW = np.array(FACE_OVAL, np.int32), np.array(JAW, np.int32)
_EYE_RIMS: Final = np.column_stack([_UPPER_LIDS, _LOWER_LIDS])
_MOUTH_RIM: Final = np.array([*UPPER_INNER_LIP, *LOWER_INNER_LIP, 1, 94, 57, 287], np.int32)

_compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy")


@dataclass(frozen=True, slots=True)
class MeshState:
    """One frame's mesh, px of the output."""

    vertices: Float  # (V, 2)
    shape: Float  # (V, 3), before the head turns
    closing: Float  # (2,) how far each eye has closed, 0 as in the portrait .. 1
    eyes: Float  # (2, 2, C, 2) curves of the upper and the lower lid of each eye
    creases: Float  # (2, C, 2) curves above the upper lids where the skin folds
    lips: Float  # (2, D, 2) curves of the inner lips
    to_source: Float  # (3, 2, 3) affine maps of the eyes' and the mouth's surroundings into the texture, motion undone
    jaw: Float  # (2,) how far the jaw has moved from rest, inter-ocular distances


class MeshMotion:
    """Bends one portrait's mesh."""

    def __init__(
        self, mesh: HeadMesh, neutral: Float, to_picture: Float, pivot: Float, unit: float, texture_points: Float
    ) -> None:
        """Prepares a portrait.

        Args:
            mesh: as the photo shows it, px of the output.
            neutral: (V, 3) the same with the mouth at rest.
            to_picture: (3, 3) from canonical displacements to px.
            pivot: (3,) px, the point about which the head turns.
            unit: inter-ocular distance, px.
            texture_points: (V, 2) px, where the vertices lie in the texture.
        """
        self._unit = np.float32(unit)
        self._arrays = (
            np.ascontiguousarray(mesh.vertices, np.float32),
            np.ascontiguousarray(neutral, np.float32),
            np.ascontiguousarray(to_picture, np.float32),
            np.ascontiguousarray(mesh.head_weight, np.float32),
            np.ascontiguousarray(mesh.spread, np.float32),
            np.ascontiguousarray(pivot, np.float32),
            np.ascontiguousarray(texture_points[:LANDMARKS], np.float32),
        )
        flat = np.ascontiguousarray(mesh.vertices[:, :2], np.float32)
        self._openness = np.array([_lid_gap(flat, side) for side in range(len(EYES))], np.float32)

    def __call__(self, offsets: Float, pose: Float, blink: float) -> MeshState:
        """Bends the mesh by displacements (478, 3) of the landmarks, canonical units, a pose (6,) and a blink."""
        offsets, pose = np.ascontiguousarray(offsets, np.float32), np.ascontiguousarray(pose, np.float32)
        return MeshState(*_bend(offsets, pose, np.float32(blink), self._unit, self._openness, *self._arrays))


@_compiled  # type: ignore[untyped-decorator]
def _bend(
    offsets: Any,
    pose: Any,
    blink: Any,
    unit: Any,
    openness: Any,
    still: Any,
    neutral: Any,
    to_picture: Any,
    head_weight: Any,
    spread: Any,
    pivot: Any,
    texture_points: Any,
) -> Any:
    """The fields of `MeshState`."""
    shape = neutral.copy()
    for point in range(LANDMARKS):
        for axis in range(3):
            for k in range(3):
                shape[point, axis] += offsets[point, k] * to_picture[k, axis]
    for side in range(2):
        _close_lids(shape, side, blink)
    _seal_lips(shape, unit)
    _draw_anchors_along(shape, still, spread)
    turn, shift = _head_motion(pose, pivot, unit)
    vertices = np.empty((len(shape), 2), np.float32)
    for point in range(len(shape)):
        vertices[point, 0], vertices[point, 1] = _posed(shape[point], turn, shift, pivot, head_weight[point])
    closing = np.empty(2, np.float32)
    to_source = np.empty((3, 2, 3), np.float32)
    for side in range(2):
        closing[side] = max(np.float32(0), 1 - _lid_gap(vertices, side) / openness[side])
        to_source[side] = _motion_undone(still, _EYE_RIMS[side], turn, shift, pivot, texture_points)
    to_source[2] = _motion_undone(still, _MOUTH_RIM, turn, shift, pivot, texture_points)
    jaw = np.zeros(2, np.float32)
    for point in _JAW:
        for axis in range(2):
            jaw[axis] += (shape[point, axis] - neutral[point, axis]) / (unit * len(_JAW))
    eyes = np.stack((_curves(vertices, _UPPER_LIDS), _curves(vertices, _LOWER_LIDS)), axis=1)
    lips = np.stack((smooth_curve(vertices[_UPPER_LIP]), smooth_curve(vertices[_LOWER_LIP])))
    return vertices, shape, closing, eyes, _curves(vertices, _CREASES), lips, to_source, jaw


@_compiled  # type: ignore[untyped-decorator]
def _lid_gap(vertices: Any, side: int) -> Any:
    total = np.float32(0)
    for k in range(_LID_MIDDLE.start, _LID_MIDDLE.stop):
        total += vertices[_LOWER_LIDS[side, k], 1] - vertices[_UPPER_LIDS[side, k], 1]
    return total / np.float32(_LID_MIDDLE.stop - _LID_MIDDLE.start)


@_compiled  # type: ignore[untyped-decorator]
def _close_lids(shape: Any, side: int, blink: Any) -> None:
    """Brings the lids of an eye together, and the skin around them along."""
    for k in range(_UPPER_LIDS.shape[1]):
        above, below = _UPPER_LIDS[side, k], _LOWER_LIDS[side, k]
        for axis in range(3):
            upper, lower = shape[above, axis], shape[below, axis]
            meet = lower + np.float32(_LIDS_MEET) * (upper - lower)
            if 0 < k <= _FOLDS.shape[1]:
                shape[_FOLDS[side, k - 1], axis] += blink * np.float32(_FOLD_FOLLOWS) * (meet - upper)
            shape[above, axis] = upper + blink * (meet - upper)
            shape[below, axis] = lower + blink * (meet - lower)
        if shape[above, 1] > shape[below, 1]:
            for axis in range(3):
                middle = (shape[above, axis] + shape[below, axis]) / 2
                shape[above, axis], shape[below, axis] = middle, middle


@_compiled  # type: ignore[untyped-decorator]
def _seal_lips(shape: Any, unit: Any) -> None:
    """Lips that would pass through each other touch, and a gap too small to be meant is drawn together."""
    for k in range(len(_UPPER_LIP)):
        above, below = _UPPER_LIP[k], _LOWER_LIP[k]
        share = (shape[below, 1] - shape[above, 1]) / (np.float32(_SEALED) * unit)
        share = min(max(share, np.float32(0)), np.float32(1))
        for axis in range(3):
            middle = (shape[above, axis] + shape[below, axis]) / 2
            shape[above, axis] = middle + (shape[above, axis] - middle) * share
            shape[below, axis] = middle + (shape[below, axis] - middle) * share


@_compiled  # type: ignore[untyped-decorator]
def _draw_anchors_along(shape: Any, still: Any, spread: Any) -> None:
    """Anchors follow the outline of the face as far as ``spread`` (A, 36) says."""
    for anchor in range(len(spread)):
        for k in range(len(_OVAL)):
            for axis in range(3):
                moved = shape[_OVAL[k], axis] - still[_OVAL[k], axis]
                shape[LANDMARKS + anchor, axis] += spread[anchor, k] * moved


@_compiled  # type: ignore[untyped-decorator]
def _head_motion(pose: Any, pivot: Any, unit: Any) -> Any:
    """Turn and growth (2, 3) of the head about its pivot, as `head_pose.rotation_matrix`, and where the pivot goes."""
    cp, cy, cr = np.cos(pose[0]), np.cos(pose[1]), np.cos(pose[2])
    sp, sy, sr = np.sin(pose[0]), np.sin(pose[1]), np.sin(pose[2])
    size = 1 + pose[5] / np.float32(NEARER_PER_SCALE)
    turn = np.empty((2, 3), np.float32)
    turn[0, 0], turn[0, 1], turn[0, 2] = cr * cy, -cr * sy * sp - sr * cp, -cr * sy * cp + sr * sp
    turn[1, 0], turn[1, 1], turn[1, 2] = sr * cy, -sr * sy * sp + cr * cp, -sr * sy * cp - cr * sp
    shift = np.empty(2, np.float32)
    shift[0], shift[1] = pivot[0] + pose[3] * unit, pivot[1] + pose[4] * unit
    return turn * size, shift


@_compiled  # type: ignore[untyped-decorator]
def _posed(point: Any, turn: Any, shift: Any, pivot: Any, weight: Any) -> Any:
    """Where a point (3,) lies in the picture, x and y; one of ``weight`` 0 stays with the shoulders."""
    x, y, z = point[0] - pivot[0], point[1] - pivot[1], point[2] - pivot[2]
    moved_x = shift[0] + turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z
    moved_y = shift[1] + turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z
    return point[0] + (moved_x - point[0]) * weight, point[1] + (moved_y - point[1]) * weight


@_compiled  # type: ignore[untyped-decorator]
def _motion_undone(still: Any, rim: Any, turn: Any, shift: Any, pivot: Any, texture_points: Any) -> Any:
    """Least-squares affine map (2, 3) from where landmarks lie when only the head moves, to the texture."""
    places = np.empty((len(rim), 2))
    for k in range(len(rim)):
        places[k, 0], places[k, 1] = _posed(still[rim[k]], turn, shift, pivot, np.float32(1))
    aims = texture_points[rim]
    middle, aim = np.zeros(2), np.zeros(2)
    for k in range(len(rim)):
        middle += places[k] / len(rim)
        aim += aims[k] / len(rim)
    xx, xy, yy = 0.0, 0.0, 0.0
    product = np.zeros((2, 2))
    for k in range(len(rim)):
        x, y = places[k, 0] - middle[0], places[k, 1] - middle[1]
        xx, xy, yy = xx + x * x, xy + x * y, yy + y * y
        for axis in range(2):
            product[axis, 0] += x * (aims[k, axis] - aim[axis])
            product[axis, 1] += y * (aims[k, axis] - aim[axis])
    area = xx * yy - xy * xy
    result = np.empty((2, 3), np.float32)
    for axis in range(2):
        along_x = (yy * product[axis, 0] - xy * product[axis, 1]) / area
        along_y = (xx * product[axis, 1] - xy * product[axis, 0]) / area
        result[axis, 0], result[axis, 1] = along_x, along_y
        result[axis, 2] = aim[axis] - along_x * middle[0] - along_y * middle[1]
    return result


@_compiled  # type: ignore[untyped-decorator]
def _curves(vertices: Any, rows: Any) -> Any:
    """Smooth curves (S, C, 2) through rows (S, N) of the vertices."""
    points = 4 * (rows.shape[1] - 1) + 1
    curves = np.empty((len(rows), points, 2), np.float32)
    for side in range(len(rows)):
        curves[side] = smooth_curve(vertices[rows[side]])
    return curves
