"""Parted lips of a photo are closed, and nothing that the photo shows between them remains."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import (
    LANDMARKS,
    LOWER_INNER_LIP,
    LOWER_OUTER_LIP,
    UPPER_INNER_LIP,
    UPPER_OUTER_LIP,
    eye_distance_px,
)
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.lips import heal_lips
from styletalk_core.rendering.portrait.portrait import Portrait

CLOSED = AvatarLibrary(Path("does-not-exist")).get("kenji")
STILL, AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)
GREEN = (40, 200, 60)
UPPER = [*UPPER_INNER_LIP, *UPPER_OUTER_LIP[::-1]]
LOWER = [*LOWER_INNER_LIP, *LOWER_OUTER_LIP[::-1]]
RIGHT_CORNER = UPPER_INNER_LIP[0]


@pytest.fixture(scope="module")
def parted() -> Portrait:
    """A presenter with parted lips, between and just beyond which the photo is green."""
    landmarks, image = CLOSED.landmarks.copy(), CLOSED.image.copy()
    unit = eye_distance_px(landmarks)
    landmarks[list(LOWER_INNER_LIP[1:-1]), 1] += 0.06 * unit
    outline = np.vstack([landmarks[list(UPPER_INNER_LIP), :2], landmarks[list(LOWER_INNER_LIP)[::-1], :2]])
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 1)
    reach = round(0.02 * unit) | 1
    image[cv2.dilate(mask, np.ones((reach, reach), np.uint8)) > 0] = GREEN
    return replace(CLOSED, image=image, landmarks=landmarks)


@pytest.mark.parametrize("amount", [0.0, 0.05, 0.15])
def test_nothing_of_the_photographed_inside_is_ever_seen(parted: Portrait, amount: float) -> None:
    renderer = MeshRenderer(parted, 256)
    offsets = np.zeros((LANDMARKS, 3), np.float32)
    offsets[[*LOWER_INNER_LIP[1:-1], 17, 84, 314, 152, 148, 377], 1] = amount
    red, green, _ = np.moveaxis(renderer.render_offsets(offsets, STILL, AHEAD, 0.0).astype(int), -1, 0)
    lips = renderer.scene(offsets, STILL, AHEAD, 0.0).vertices[[61, 291, 0, 17]]
    low, high = lips.min(axis=0).astype(int), lips.max(axis=0).astype(int)
    mouth = (slice(low[1], high[1]), slice(low[0], high[0]))
    assert (green[mouth] > red[mouth] + 8).mean() < 0.002


def test_the_lips_touch_at_rest(parted: Portrait) -> None:
    face = MeshRenderer(parted, 256).resting_face
    assert np.abs(face[list(LOWER_INNER_LIP)] - face[list(UPPER_INNER_LIP)]).max() < 1e-4


def test_closed_lips_are_left_as_they_are() -> None:
    rgba = np.dstack([CLOSED.image, CLOSED.mask])
    assert heal_lips(rgba, CLOSED.landmarks, eye_distance_px(CLOSED.landmarks)) is rgba


def test_each_lip_is_continued_in_its_own_color(parted: Portrait) -> None:
    """The skin that closes a red upper and a blue lower lip is red above the middle and blue below it."""
    landmarks, image = parted.landmarks.copy(), parted.image.copy()
    landmarks[list(LOWER_OUTER_LIP[1:-1]), 1] += 0.06 * eye_distance_px(landmarks)
    for lip, color in ((UPPER, (180, 60, 60)), (LOWER, (60, 60, 180))):
        mask = np.zeros(image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [landmarks[list(lip), :2].round().astype(np.int32)], 1)
        image[mask > 0] = color
    healed = heal_lips(np.dstack([image, parted.mask]), landmarks, eye_distance_px(landmarks))
    upper, lower = landmarks[13, :2], landmarks[14, :2]
    x, top = (upper + 0.1 * (lower - upper)).round().astype(int)
    bottom = round(float(lower[1] - 0.1 * (lower - upper)[1]))
    assert healed[top, x, 0] > healed[top, x, 2] + 30
    assert healed[bottom, x, 2] > healed[bottom, x, 0] + 30


def test_healed_lips_are_darker_towards_the_opening_and_darkest_at_the_corners(parted: Portrait) -> None:
    """Else a light line surrounds an open mouth."""
    landmarks, unit = parted.landmarks, eye_distance_px(parted.landmarks)
    image = np.full_like(parted.image, 150)
    healed = heal_lips(np.dstack([image, parted.mask]), landmarks, unit)[..., :3].mean(axis=-1)
    x, y = landmarks[13, :2].round().astype(int)
    assert healed[y, x] < 0.9 * 150
    assert healed[y - round(0.03 * unit), x] > 0.97 * 150
    x, y = landmarks[RIGHT_CORNER, :2].round().astype(int)
    assert healed[y, x + 2] < 0.75 * 150


def test_a_mouth_at_the_edge_of_the_photo_is_healed_like_any_other(parted: Portrait) -> None:
    """Cutting the photo off just below the lips changes nothing above the cut."""
    unit = eye_distance_px(parted.landmarks)
    rgba = np.dstack([parted.image, parted.mask])
    bottom = int(parted.landmarks[17, 1] + 0.02 * unit)
    cut = heal_lips(rgba[:bottom], parted.landmarks, unit)
    whole = heal_lips(rgba, parted.landmarks, unit)[:bottom]
    assert cut.shape == whole.shape
    assert np.abs(cut.astype(int) - whole).mean() < 0.2
