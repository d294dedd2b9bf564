"""The renderer's metrics have the expected values for images with known answers."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from styletalk_core.face.head_pose import rotation_matrix
from styletalk_core.lab.evaluation.fidelity import cpbd, ssim
from styletalk_core.lab.evaluation.reenactment import motion_of_landmarks
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.mesh_renderer import MeshRenderer

PORTRAIT = AvatarLibrary(Path("does-not-exist")).get("kenji")


def test_ssim_is_one_for_equals_and_falls_with_blur() -> None:
    image = cv2.resize(PORTRAIT.image, (256, 256), interpolation=cv2.INTER_AREA)
    assert ssim(image, image) == pytest.approx(1)
    values = [ssim(image, cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.7, 1.5, 3)]
    assert values == sorted(values, reverse=True)


def test_cpbd_falls_with_blur() -> None:
    image = cv2.resize(PORTRAIT.image, (512, 512), interpolation=cv2.INTER_AREA)
    values = [cpbd(image), *(cpbd(cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.8, 1.6))]
    assert values[0] > values[1] > values[2]


def test_motion_read_from_landmarks_puts_them_back_where_they_were() -> None:
    """Turn, shift and scale a face, read its motion, pose the mesh by it: every landmark of the skull is met."""
    renderer = MeshRenderer(PORTRAIT, 256)
    pose = np.array([0.08, -0.12, 0.05, 0.04, -0.03, 0.3], np.float32)
    scale = 256 / PORTRAIT.image.shape[0]
    landmarks = PORTRAIT.landmarks * scale
    landmarks[:, :2] += 0.5 * scale - 0.5
    moved = (landmarks - renderer.pivot) @ rotation_matrix(*pose[:3]).T * (1 + pose[5] / 10) + renderer.pivot
    moved[:, :2] += pose[3:5] * renderer.unit
    motion = motion_of_landmarks(renderer, moved[None].astype(np.float32))
    assert np.abs(motion.pose[0] - pose).max() < 0.01
    assert np.abs(motion.offsets[0] + renderer.resting_offsets).max() < 0.01
    assert np.abs(motion.gaze).max() < 0.02
