"""Head pose: removes head motion from tracked landmarks and restores it (rotation, scale and shift, no perspective).

Defines the pose convention: pitch, yaw, roll in radians (chin down, face towards the image's right, clockwise on
screen), then shifts right, down and towards the camera in inter-ocular distances; the size on screen is
1 + nearer / 10. Image coordinates: x right, y down, z away from the camera. Pure.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.landmarks import EYE_OUTER_CORNERS, MESH_POINTS, MIRROR, RIGID

Array = NDArray[np.float32]

NEARER_PER_SCALE: Final = 10.0
"""Distance towards the camera that doubles the head's size on screen, in inter-ocular distances."""
FACE_FROM_NECK: Final = np.array([0.0, -0.25, -0.5], np.float32)
"""Middle of the face as seen from the pivot in the neck about which a rendered head turns, inter-ocular distances."""
_ROUNDS: Final = 3
_OUTLIER: Final = 0.02
"""Residual at which a point has half weight in the rigid fit, in inter-ocular distances."""
_SAMPLE: Final = 150
"""Maximum number of frames used to estimate the rigid shape of a clip."""


@dataclass(frozen=True, slots=True)
class HeadMotion:
    """Pose of a shape in every frame: ``scale * shape @ rotation.T + shift``.

    `rotation` (T, 3, 3), `scale` (T,) px per unit, `shift` (T, 3) px, `misfit` (T,) RMS residual of the rigid points,
    in units of the shape.
    """

    rotation: Array
    scale: Array
    shift: Array
    misfit: Array

    def remove(self, landmarks: Array) -> Array:
        """Transforms (T, K, 3) px to (T, K, 3) in the units and orientation of the shape."""
        return np.asarray((landmarks - self.shift[:, None]) @ self.rotation / self.scale[:, None, None], np.float32)

    def restore(self, canonical: Array) -> Array:
        """Inverse of `remove`."""
        turned = canonical @ self.rotation.transpose(0, 2, 1)
        return np.asarray(turned * self.scale[:, None, None] + self.shift[:, None], np.float32)

    def poses(self) -> Array:
        """Return poses (T, 6) float32 relative to the clip's median; frames without a face stay NaN."""
        angles = euler_angles(self.rotation)
        scale = np.nanmedian(self.scale)
        shift = (self.shift - np.nanmedian(self.shift, axis=0)) / scale
        nearer = NEARER_PER_SCALE * (self.scale / scale - 1)
        pose = np.column_stack((angles - np.nanmedian(angles, axis=0), shift[:, :2], nearer))
        return np.asarray(pose, np.float32)


def rotation_matrix(pitch: float, yaw: float, roll: float) -> Array:
    """Return the (3, 3) rotation ``Rz(roll) @ Ry(-yaw) @ Rx(pitch)`` of column vectors."""
    (cp, cy, cr), (sp, sy, sr) = np.cos((pitch, yaw, roll)), np.sin((pitch, yaw, roll))
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


def euler_angles(rotation: Array) -> Array:
    """Return pitch, yaw, roll (T, 3) of rotations (T, 3, 3); inverse of `rotation_matrix` for |yaw| < pi / 2."""
    pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    yaw = np.arcsin(np.clip(rotation[:, 2, 0], -1, 1))
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    return np.stack((pitch, yaw, roll), axis=-1).astype(np.float32)


def about_neck(pose: Array) -> Array:
    """Return poses (T, 6) about the middle of the face as poses about the pivot in the neck, where renderers turn it.

    The face then lies in the same place: the shift is without what the turn alone moves it.
    """
    turned = np.stack([rotation_matrix(*angles) @ FACE_FROM_NECK for angles in pose[:, :3]])
    moved = pose.copy()
    moved[:, 3:5] -= (turned - FACE_FROM_NECK)[:, :2]
    return moved


def fit_head(landmarks: Array, shape: Array) -> HeadMotion:
    """Robustly fits a rigid, scaled ``shape`` to every frame by the skull points (`landmarks.RIGID`).

    Args:
        landmarks: (T, >=468, 3) px; frames without a face are NaN and stay NaN.
        shape: (>=468, 3) in inter-ocular distances.
    """
    points, model = landmarks[:, list(RIGID)].astype(np.float64), shape[list(RIGID)].astype(np.float64)
    tracked = np.isfinite(points).all(axis=(1, 2))
    rotation = np.full((len(points), 3, 3), np.nan)
    scale, shift, misfit = np.full(len(points), np.nan), np.full((len(points), 3), np.nan), np.full(len(points), np.nan)
    if tracked.any():
        weights = np.ones(points[tracked].shape[:2])
        for _ in range(_ROUNDS):
            turn, size, move = _similarity(points[tracked], model, weights)
            error = (points[tracked] - move[:, None]) @ turn / size[:, None, None] - model
            distance = np.linalg.norm(error, axis=2)
            weights = 1 / (1 + (distance / _OUTLIER) ** 2)
        rotation[tracked], scale[tracked], shift[tracked] = turn, size, move
        misfit[tracked] = np.sqrt((distance**2).mean(axis=1))
    return HeadMotion(*(np.asarray(part, np.float32) for part in (rotation, scale, shift, misfit)))


def clip_shape(landmarks: Array) -> Array:
    """Return the person's median face in a clip: frontal, in inter-ocular distances, centred on its mesh points.

    Args:
        landmarks: (T, 478, 3) px, at least one frame without NaN.

    Returns:
        (478, 3) float32; symmetric in yaw and roll, in the clip's own average pitch.
    """
    tracked = landmarks[np.isfinite(landmarks).all(axis=(1, 2))]
    tracked = tracked[:: max(1, len(tracked) // _SAMPLE)]
    shape = _normalised(tracked[0])
    for _ in range(_ROUNDS):
        shape = _normalised(np.median(fit_head(tracked, shape).remove(tracked), axis=0))
    return frontal(shape)


def frontal(shape: Array) -> Array:
    """Rotates a (478, 3) shape for the best left-right symmetry."""
    for _ in range(_ROUNDS):
        symmetric = mirrored(shape) / 2 + shape / 2
        shape = _normalised(fit_head(shape[None], np.asarray(symmetric, np.float32)).remove(shape[None])[0])
    return shape


def mirrored(shape: Array) -> Array:
    """Return the mirror image of a canonical shape (478, 3)."""
    return np.asarray((shape * np.array([-1, 1, 1]))[MIRROR], np.float32)


def eye_distance(landmarks: Array) -> Array:
    """Return the 3-D distance of the outer eye corners, (..., 478, 3) to (...,)."""
    left, right = EYE_OUTER_CORNERS
    return np.asarray(np.linalg.norm(landmarks[..., left, :] - landmarks[..., right, :], axis=-1), np.float32)


def _normalised(shape: Array) -> Array:
    centred = shape - shape[:MESH_POINTS].mean(axis=0)
    return np.asarray(centred / eye_distance(shape), np.float32)


def _similarity(
    points: NDArray[np.float64], model: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Weighted least-squares similarity of ``points`` (T, K, 3) to ``model`` (K, 3) (Umeyama 1991, equations 40-42)."""
    share = (weights / weights.sum(axis=1, keepdims=True))[..., None]
    centre, origin = (share * points).sum(axis=1), (share * model).sum(axis=1)
    from_model, from_points = model - origin[:, None], points - centre[:, None]
    u, singular, vt = np.linalg.svd((share * from_points).transpose(0, 2, 1) @ from_model)
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    size = (singular * sign).sum(axis=1) / (share * from_model**2).sum(axis=(1, 2))
    shift = centre - size[:, None] * (rotation @ origin[..., None])[..., 0]
    return rotation, size, shift
