"""The light inside a mouth is measured between the lips only, and compared opening by opening."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from styletalk_core.lab.evaluation.mouth_light import ALL, OPENINGS, Inside, MouthLight, mouth_light
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP, eye_distance_px

PORTRAIT = AvatarLibrary(Path("does-not-exist")).get("kenji")


def opened(gap: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A face whose mouth is ``gap`` inter-ocular distances open, half white and half black inside."""
    image, landmarks = PORTRAIT.image.copy(), PORTRAIT.landmarks.copy()
    landmarks[list(LOWER_INNER_LIP[1:-1])] = landmarks[list(UPPER_INNER_LIP[1:-1])]
    landmarks[list(LOWER_INNER_LIP[1:-1]), 1] += gap * eye_distance_px(landmarks)
    outline = np.vstack([landmarks[list(UPPER_INNER_LIP), :2], landmarks[list(LOWER_INNER_LIP)[::-1], :2]])
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [outline.round().astype(np.int32)], 1)
    left = np.arange(image.shape[1]) < landmarks[13, 0]
    image[inside > 0] = 0
    image[(inside > 0) & left] = 255
    return image, landmarks


@pytest.mark.parametrize(("gap", "opening"), [(0.06, "narrow"), (0.11, "half"), (0.3, "wide")])
def test_only_what_lies_between_the_lips_counts(gap: float, opening: str) -> None:
    seen = mouth_light(*opened(gap))
    assert seen is not None and seen.opening == opening
    assert seen.contrast == 255 and seen.brightness == pytest.approx(127, abs=25)


def test_closed_lips_have_no_inside() -> None:
    assert mouth_light(*opened(0.01)) is None


def test_every_opening_is_compared_with_its_own() -> None:
    pairs = [(Inside("half", 60, 80), Inside("half", 120, 100)), (Inside("wide", 90, 50), Inside("wide", 90, 50))]
    light = MouthLight.compared([*pairs, (None, Inside("wide", 1, 1))])
    assert light.contrast["half"] == 0.5 and light.brightness["half"] == 0.8
    assert light.contrast["wide"] == light.brightness["wide"] == 1
    assert light.contrast[ALL] == pytest.approx(150 / 210) and np.isnan(light.contrast["narrow"])
    assert {name.rsplit("_", 1)[1] for name in light.figures()} == {*OPENINGS, ALL}
