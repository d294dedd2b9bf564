"""A closed eye shows skin, and lashes of the photo's own colour along the edge of its lid."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import EYES
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.portrait.eyeball import Eyeball
from styletalk_core.rendering.portrait.portrait import Portrait

KNOWN = AvatarLibrary(Path("does-not-exist")).get("amara")
NEUTRAL, STILL, AHEAD = np.zeros((478, 3), np.float32), np.zeros(6, np.float32), np.zeros(2, np.float32)
LASHES = (30, 120, 30)


def made_up() -> Portrait:
    """A presenter with a green line above the edge of each upper lid."""
    image = KNOWN.image.copy()
    for eye in EYES:
        edge = KNOWN.landmarks[list(eye.upper_lid), :2].copy()
        edge[:, 1] -= 3
        cv2.polylines(image, [edge.round().astype(np.int32)], False, LASHES, thickness=6)
    return replace(KNOWN, image=image)


def profile(renderer: MeshRenderer) -> NDArray[np.float32]:
    """Colours (N, 3) across the middle of the right eye when it is closed, from the fold to the lower lid's skin."""
    image = renderer.render_offsets(NEUTRAL, STILL, AHEAD, 1.0)
    x, y = renderer.scene(NEUTRAL, STILL, AHEAD, 1.0).vertices[EYES[0].upper_lid[4]].round().astype(int)
    reach = round(0.05 * renderer.unit)
    return image[y - reach : y + reach + 1, x - 1 : x + 2].mean(axis=1).astype(np.float32)


def test_the_lashes_of_a_closed_eye_are_a_narrow_dark_line_of_the_photos_own_color() -> None:
    own, green = (profile(MeshRenderer(portrait, 512)) for portrait in (KNOWN, made_up()))
    darkness = own.mean(axis=1)
    line = np.flatnonzero(darkness < (darkness.min() + np.median(darkness)) / 2)
    assert abs(line.mean() - len(own) // 2) < 3
    assert len(line) <= 5
    at = int(own.mean(axis=1).argmin())
    assert green[at, 1] > green[at, 0] + 20
    assert own[at, 1] < own[at, 0] + 10


def test_a_photo_shows_the_eyeball_of_an_open_eye_only() -> None:
    """What is between shut lids is lashes and skin, which would be drawn in an eye that a style opens."""
    landmarks = KNOWN.landmarks[:, :2]
    unit = float(np.linalg.norm(landmarks[EYES[0].upper_lid[0]] - landmarks[EYES[1].upper_lid[-1]]))
    shut = landmarks.copy()
    for eye in EYES:
        assert Eyeball.of(KNOWN.image, landmarks, eye, unit) is not None
        shut[list(eye.upper_lid)] = landmarks[list(eye.lower_lid)] - np.array([0, 0.5], np.float32)
        assert Eyeball.of(KNOWN.image, shut, eye, unit) is None
