"""Mesh deformation: applies expression, blink and pose of one frame, in one compiled call on small arrays.

It also computes the inputs for drawing the layers behind lips and lids: the curves of the openings, the eye closure,
and the affine maps that undo the head motion.
Runs on: any thread; pure. Compiled by numba on first use and cached next to the module.
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
"""Lip gap below which the lips are drawn together, completely below half of it, in inter-ocular distances."""
_LIDS_MEET: Final = 0.12
"""Share of the eye opening by which the lower lid rises in a blink."""
_FOLD_FOLLOWS: Final = 0.42
"""Share of the upper lid's motion that the skin above it follows."""
_LID_MIDDLE: Final = slice(2, 7)
_SQUINT: Final = 0.66
"""Share of the portrait's own lid gap that an expression leaves at least."""
_WIDEN: Final = 0.2
"""Share of it that an expression adds at most; a photo does not show what more would bare."""
_WIDE: Final = 0.1
"""Share of it from which the lower lid does not move down."""

_UPPER_LIDS: Final = np.array([eye.upper_lid for eye in EYES], np.int32)
_LOWER_LIDS: Final = np.array([eye.lower_lid for eye in EYES], np.int32)
_FOLDS: Final = np.array([eye.upper_fold for eye in EYES], np.int32)
_CREASES: Final = np.column_stack([_UPPER_LIDS[:, :1], _FOLDS, _UPPER_LIDS[:, -1:]])
_UPPER_LIP, _LOWER_LIP = np.array(UPPER_INNER_LIP, np.int32), np.array(LOWER_INNER_LIP, np.int32)
_OVAL, _JAW = np.array(FACE_OVAL, np.int32), np.array(JAW, np.int32)
_EYE_RIMS: Final = np.column_stack([_UPPER_LIDS, _LOWER_LIDS])
_MOUTH_RIM: Final = np.array([*UPPER_INNER_LIP, *LOWER_INNER_LIP, 1, 94, 57, 287], np.int32)

_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")


@dataclass(frozen=True, slots=True)
class MeshState:
    """One frame's mesh, px of the output."""

    vertices: Float  # (V, 2)
    shape: Float  # (V, 3), before the head turns
    closing: Float  # (2,) closure of each eye, 0 as in the portrait .. 1 closed
    eyes: Float  # (2, 2, C, 2) curves of the upper and the lower lid of each eye
    creases: Float  # (2, C, 2) curves of the folds above the upper lids
    lips: Float  # (2, D, 2) curves of the inner lips
    to_source: Float  # (3, 2, 3) affine maps from the output to the texture around eyes and mouth, head motion undone
    jaw: Float  # (2,) displacement of the jaw from rest, inter-ocular distances


class MeshMotion:
    """Deforms the mesh of one portrait."""

    def __init__(
        self,
        mesh: HeadMesh,
        neutral: Float,
        to_picture: Float,
        pivot: Float,
        unit: float,
        texture_points: Float,
        usual_openness: float,
    ) -> None:
        """Prepares a portrait.

        Args:
            mesh: mesh of the photo, px of the output.
            neutral: (V, 3) vertices with the mouth at rest.
            to_picture: (3, 3) map from canonical displacements to px.
            pivot: (3,) px, the point about which the head rotates.
            unit: inter-ocular distance, px.
            texture_points: (V, 2) px, positions of the vertices in the texture.
            usual_openness: px, lid gap of the face that displacements are made for.
        """
        self._unit = np.float32(unit)
        self._usual_openness = np.float32(usual_openness)
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
        """Deforms the mesh by landmark displacements (478, 3) in canonical units, a pose (6,) and a blink."""
        offsets, pose = np.ascontiguousarray(offsets, np.float32), np.ascontiguousarray(pose, np.float32)
        lids = self._openness, self._usual_openness
        return MeshState(*_bend(offsets, pose, np.float32(blink), self._unit, *lids, *self._arrays))


@_compiled
def _bend(
    offsets: Any,
    pose: Any,
    blink: Any,
    unit: Any,
    openness: Any,
    usual_openness: Any,
    still: Any,
    neutral: Any,
    to_picture: Any,
    head_weight: Any,
    spread: Any,
    pivot: Any,
    texture_points: Any,
) -> Any:
    """Computes the fields of `MeshState`."""
    shape = neutral.copy()
    for point in range(LANDMARKS):
        for axis in range(3):
            for k in range(3):
                shape[point, axis] += offsets[point, k] * to_picture[k, axis]
    for side in range(2):
        _keep_eye_open(shape, still, side, openness[side], usual_openness)
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


@_compiled
def _lid_gap(vertices: Any, side: int) -> Any:
    total = np.float32(0)
    for k in range(_LID_MIDDLE.start, _LID_MIDDLE.stop):
        total += vertices[_LOWER_LIDS[side, k], 1] - vertices[_UPPER_LIDS[side, k], 1]
    return total / np.float32(_LID_MIDDLE.stop - _LID_MIDDLE.start)


@_compiled
def _keep_eye_open(shape: Any, still: Any, side: int, own: Any, usual: Any) -> None:
    """Scales what an expression does to the lids of an eye to the portrait's ``own`` lid gap; none shuts the eye."""
    if own <= 0:
        return
    gap = _lid_gap(shape, side)
    change = (gap - own) / usual
    if change < 0:
        room = np.float32(1 - _SQUINT)
        change = room * (np.exp(change / room) - 1)
    else:
        change = np.float32(_WIDEN) * np.tanh(change / np.float32(_WIDEN))
    missing = ((1 + change) * own - gap) / (2 * own)
    raised = np.float32(0)
    if change > 0:
        # The lower lid hardly moves down in a wide open eye; its upper lid rises instead.
        for k in range(_LID_MIDDLE.start, _LID_MIDDLE.stop):
            raised += shape[_LOWER_LIDS[side, k], 1] - still[_LOWER_LIDS[side, k], 1]
        raised = raised / np.float32(_LID_MIDDLE.stop - _LID_MIDDLE.start) + missing * own
        raised = max(raised, np.float32(0)) * min(change / np.float32(_WIDE), np.float32(1))
    for k in range(_UPPER_LIDS.shape[1]):
        above, below = _UPPER_LIDS[side, k], _LOWER_LIDS[side, k]
        for axis in range(3):
            apart = missing * (still[below, axis] - still[above, axis])
            shape[above, axis] -= apart
            shape[below, axis] += apart
            if 0 < k <= _FOLDS.shape[1]:
                shape[_FOLDS[side, k - 1], axis] -= np.float32(_FOLD_FOLLOWS) * apart
        # The corners of the eye stay.
        across = np.float32(2 * k) / np.float32(_UPPER_LIDS.shape[1] - 1) - 1
        rise = raised * (1 - across * across)
        shape[above, 1] -= rise
        shape[below, 1] -= rise
        if 0 < k <= _FOLDS.shape[1]:
            shape[_FOLDS[side, k - 1], 1] -= np.float32(_FOLD_FOLLOWS) * rise


@_compiled
def _close_lids(shape: Any, side: int, blink: Any) -> None:
    """Closes the lids of an eye and moves the surrounding skin with them."""
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


@_compiled
def _seal_lips(shape: Any, unit: Any) -> None:
    """Prevents the lips from intersecting and closes gaps too small to be intended."""
    for k in range(len(_UPPER_LIP)):
        above, below = _UPPER_LIP[k], _LOWER_LIP[k]
        share = 2 * (shape[below, 1] - shape[above, 1]) / (np.float32(_SEALED) * unit) - 1
        share = min(max(share, np.float32(0)), np.float32(1))
        for axis in range(3):
            middle = (shape[above, axis] + shape[below, axis]) / 2
            shape[above, axis] = middle + (shape[above, axis] - middle) * share
            shape[below, axis] = middle + (shape[below, axis] - middle) * share


@_compiled
def _draw_anchors_along(shape: Any, still: Any, spread: Any) -> None:
    """Moves the anchors with the face outline by the weights ``spread`` (A, 36)."""
    for anchor in range(len(spread)):
        for k in range(len(_OVAL)):
            for axis in range(3):
                moved = shape[_OVAL[k], axis] - still[_OVAL[k], axis]
                shape[LANDMARKS + anchor, axis] += spread[anchor, k] * moved


@_compiled
def _head_motion(pose: Any, pivot: Any, unit: Any) -> Any:
    """Rotation and scale (2, 3) of the head about its pivot, as `head_pose.rotation_matrix`, and the pivot's target."""
    cp, cy, cr = np.cos(pose[0]), np.cos(pose[1]), np.cos(pose[2])
    sp, sy, sr = np.sin(pose[0]), np.sin(pose[1]), np.sin(pose[2])
    size = 1 + pose[5] / np.float32(NEARER_PER_SCALE)
    turn = np.empty((2, 3), np.float32)
    turn[0, 0], turn[0, 1], turn[0, 2] = cr * cy, -cr * sy * sp - sr * cp, -cr * sy * cp + sr * sp
    turn[1, 0], turn[1, 1], turn[1, 2] = sr * cy, -sr * sy * sp + cr * cp, -sr * sy * cp - cr * sp
    shift = np.empty(2, np.float32)
    shift[0], shift[1] = pivot[0] + pose[3] * unit, pivot[1] + pose[4] * unit
    return turn * size, shift


@_compiled
def _posed(point: Any, turn: Any, shift: Any, pivot: Any, weight: Any) -> Any:
    """Projects a point (3,) to x, y in the frame; a ``weight`` of 0 fixes it to the shoulders."""
    x, y, z = point[0] - pivot[0], point[1] - pivot[1], point[2] - pivot[2]
    moved_x = shift[0] + turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z
    moved_y = shift[1] + turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z
    return point[0] + (moved_x - point[0]) * weight, point[1] + (moved_y - point[1]) * weight


@_compiled
def _motion_undone(still: Any, rim: Any, turn: Any, shift: Any, pivot: Any, texture_points: Any) -> Any:
    """Least-squares affine map (2, 3) from landmarks moved only by the head pose to the texture."""
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


@_compiled
def _curves(vertices: Any, rows: Any) -> Any:
    """Smooth curves (S, C, 2) through rows (S, N) of the vertices."""
    points = 4 * (rows.shape[1] - 1) + 1
    curves = np.empty((len(rows), points, 2), np.float32)
    for side in range(len(rows)):
        curves[side] = smooth_curve(vertices[rows[side]])
    return curves
