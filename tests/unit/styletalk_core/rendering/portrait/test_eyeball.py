"""A closed eye shows skin, and lashes of the photo's own colour along the edge of its lid."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import EYES
from styletalk_core.rendering.mesh_renderer import MeshRenderer
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


def test_an_eye_that_the_photo_shows_shut_stays_as_it_is() -> None:
    """There is no eyeball in the photo to draw; a style that opens the eye stretches the skin of its lids."""
    landmarks = KNOWN.landmarks.copy()
    for eye in EYES:
        landmarks[list(eye.upper_lid)] = landmarks[list(eye.lower_lid)] - np.array([0, 0.5, 0], np.float32)
    renderer = MeshRenderer(replace(KNOWN, landmarks=landmarks), 256)
    opened = NEUTRAL.copy()
    for eye in EYES:
        opened[list(eye.upper_lid[1:-1]), 1] -= 0.05
    shown = renderer.render_offsets(opened, STILL, AHEAD, 0.0)
    x, y = renderer.scene(opened, STILL, AHEAD, 0.0).vertices[EYES[0].lower_lid[4]].round().astype(int)
    assert shown[y - 6 : y + 3, x - 8 : x + 9].mean(axis=-1).min() > 10
