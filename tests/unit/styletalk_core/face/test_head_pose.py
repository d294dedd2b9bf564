"""Head motion is removed and restored exactly, with the sign conventions of the renderer."""

import numpy as np
import pytest

from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import (
    HeadMotion,
    clip_shape,
    euler_angles,
    eye_distance,
    fit_head,
    frontal,
    mirrored,
    rotation_matrix,
)
from styletalk_core.face.landmarks import CHIN, FACE_OVAL, NOSE_TIP, RIGID

FACE = FaceModel.load().mean


def posed(pitch: float = 0, yaw: float = 0, roll: float = 0, scale: float = 80) -> np.ndarray:
    return (scale * FACE @ rotation_matrix(pitch, yaw, roll).T + [200, 150, 0]).astype(np.float32)


def test_angles_and_matrix_are_inverse() -> None:
    angles = np.random.default_rng(0).uniform(-1.2, 1.2, (50, 3))
    found = euler_angles(np.stack([rotation_matrix(*row) for row in angles]))
    assert found == pytest.approx(angles, abs=1e-4)


def test_signs_of_pitch_yaw_and_roll() -> None:
    """Chin down lowers the nose, yaw turns it to the image's right, roll turns clockwise: the chin goes left."""
    assert posed(pitch=0.3)[NOSE_TIP, 1] > posed()[NOSE_TIP, 1]
    assert posed(yaw=0.3)[NOSE_TIP, 0] > posed()[NOSE_TIP, 0]
    assert posed(roll=0.3)[CHIN, 0] < posed()[CHIN, 0]


def test_fit_finds_the_pose_although_the_mouth_moves() -> None:
    landmarks = np.stack([posed(0.1, -0.2, 0.05), posed(-0.1, 0.3, 0, 90)])
    landmarks[:, [13, 14, 17, CHIN], 1] += 30
    motion = fit_head(landmarks, FACE)
    assert euler_angles(motion.rotation) == pytest.approx(np.array([[0.1, -0.2, 0.05], [-0.1, 0.3, 0]]), abs=2e-3)
    assert motion.scale == pytest.approx(np.array([80, 90]), rel=2e-3)


def test_fit_forgives_some_wrong_rigid_points() -> None:
    landmarks = posed(0.1, 0.1, 0)[None].copy()
    landmarks[0, list(RIGID[:6])] += 25
    assert euler_angles(fit_head(landmarks, FACE).rotation)[0] == pytest.approx([0.1, 0.1, 0], abs=0.01)


def test_remove_and_restore_are_inverse_and_lost_frames_stay_lost() -> None:
    landmarks = np.stack([posed(0.1, 0.2, 0), np.full_like(FACE, np.nan), posed(0, 0, 0.4)])
    motion = fit_head(landmarks, FACE)
    canonical = motion.remove(landmarks)
    assert canonical[0] == pytest.approx(FACE, abs=1e-4)
    assert np.isnan(canonical[1]).all()
    assert motion.restore(canonical)[[0, 2]] == pytest.approx(landmarks[[0, 2]], abs=1e-2)


def test_poses_are_relative_to_the_clip_and_in_interocular_distances() -> None:
    count = 5
    rotation = np.stack([np.eye(3)] * count).astype(np.float32)
    shift = np.array([[0, 0, 0], [80, 0, 0], [0, 0, 0], [0, 40, 0], [0, 0, 0]], np.float32)
    scale = np.array([80, 80, 80, 80, 88], np.float32)
    poses = HeadMotion(rotation, scale, shift, np.zeros(count, np.float32)).poses()
    assert poses[:, 3] == pytest.approx([0, 1, 0, 0, 0])
    assert poses[:, 4] == pytest.approx([0, 0, 0, 0.5, 0])
    assert poses[:, 5] == pytest.approx([0, 0, 0, 0, 1], abs=1e-5)


def test_clip_shape_is_frontal_and_one_wide() -> None:
    shape = clip_shape(np.stack([posed(0, 0.3, 0.2)] * 6))
    assert eye_distance(shape) == pytest.approx(1, abs=1e-3)
    assert np.abs(shape - mirrored(shape))[list(FACE_OVAL)].max() < 0.02
    assert frontal(shape) == pytest.approx(shape, abs=5e-3)
