"""A photo with an open mouth is reproduced at its own expression; closed lips have no photographed mouth."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP, eye_distance_px
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.photo_mouth import PhotoMouth
from styletalk_core.rendering.portrait.portrait import Portrait

CLOSED = AvatarLibrary(Path("does-not-exist")).get("kenji")
STILL, AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)
GREEN = (40, 120, 60)


@pytest.fixture(scope="module")
def parted() -> Portrait:
    """A presenter with parted lips, between which the photo is green: nothing that the renderer paints is."""
    landmarks, image = CLOSED.landmarks.copy(), CLOSED.image.copy()
    landmarks[list(LOWER_INNER_LIP[1:-1]), 1] += 0.08 * eye_distance_px(landmarks)
    outline = np.vstack([landmarks[list(UPPER_INNER_LIP), :2], landmarks[list(LOWER_INNER_LIP)[::-1], :2]])
    cv2.fillPoly(image, [outline.round().astype(np.int32)], GREEN)
    return replace(CLOSED, image=image, landmarks=landmarks)


def _between(renderer: MeshRenderer, offsets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean colour in the middle of the open mouth."""
    upper, lower = renderer.scene(offsets, STILL, AHEAD, 0.0).vertices[[13, 14]]
    x, y = ((upper + lower) / 2).round().astype(int)
    drawn = renderer.render_offsets(offsets, STILL, AHEAD, 0.0)
    return np.asarray(drawn[y - 1 : y + 2, x - 4 : x + 5].mean(axis=(0, 1)))


def test_the_photographed_mouth_is_seen_at_its_own_expression_and_not_when_it_opens_wide(parted: Portrait) -> None:
    renderer = MeshRenderer(parted, 256)
    as_photographed = -renderer.resting_offsets
    assert np.abs(_between(renderer, as_photographed) - GREEN).max() < 6
    wide = as_photographed.copy()
    wide[list(LOWER_INNER_LIP[1:-1]), 1] += 0.35
    red, green, _ = _between(renderer, wide)
    assert green < red


def test_it_gives_way_without_a_jump(parted: Portrait) -> None:
    unit = eye_distance_px(parted.landmarks)
    painted = np.zeros((1, 1, 3), np.float32)
    for has_teeth in (False, True):
        mouth = PhotoMouth.of(parted.image, parted.landmarks, unit, has_teeth)
        assert mouth is not None
        gaps = np.linspace(0, 6, 601) * float(mouth.gaps.max())
        middle = np.full(1, 0.5, np.float32)
        seen = [float(mouth.lay_over(painted, middle, middle[None], gap)[0, 0, 1]) for gap in gaps]
        assert np.abs(np.diff(seen)).max() < 0.1 * GREEN[1]
        assert seen[100] == pytest.approx(GREEN[1], abs=2)
        assert seen[-1] == 0


def test_closed_lips_have_nothing_between_them() -> None:
    assert PhotoMouth.of(CLOSED.image, CLOSED.landmarks, eye_distance_px(CLOSED.landmarks), False) is None
