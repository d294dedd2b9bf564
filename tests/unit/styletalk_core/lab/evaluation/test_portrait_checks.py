"""Checks of a speaking portrait find nothing in a presenter, and each fault where it was put."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.evaluation.portrait_checks import Faults, check
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import (
    LOWER_INNER_LIP,
    LOWER_OUTER_LIP,
    NOSE_TIP,
    UPPER_INNER_LIP,
    eye_distance_px,
)
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.portrait.portrait import Portrait

CLARA = AvatarLibrary(Path("does-not-exist")).get("clara")
REST = np.zeros(64, np.float32)
FINE = Faults(hole=False, eye_held_shut=False, fragment=False, lips_apart=False)


@pytest.fixture(scope="module")
def tracker() -> Iterator[FaceTracker]:
    with FaceTracker() as tracker:
        yield tracker


def checked(portrait: Portrait, tracker: FaceTracker, expression: np.ndarray = REST) -> Faults:
    return check(MeshRenderer(portrait, 256), expression, tracker)


def test_a_presenter_has_no_fault(tracker: FaceTracker) -> None:
    open_mouth = REST.copy()
    open_mouth[0] = 2
    assert checked(CLARA, tracker) == FINE
    assert checked(CLARA, tracker, open_mouth) == FINE


def test_a_tooth_between_closed_lips_is_a_fragment(tracker: FaceTracker) -> None:
    image, unit = CLARA.image.copy(), eye_distance_px(CLARA.landmarks)
    middle = CLARA.landmarks[[UPPER_INNER_LIP[5], LOWER_INNER_LIP[5]], :2].mean(axis=0).round().astype(int).tolist()
    size = (round(0.06 * unit), round(0.018 * unit))
    cv2.ellipse(image, middle, size, 0, 0, 360, (235, 230, 220), -1)
    assert checked(replace(CLARA, image=image), tracker).fragment


def test_a_lower_lip_much_lighter_than_the_upper_is_no_fragment(tracker: FaceTracker) -> None:
    image, points = CLARA.image.copy(), CLARA.landmarks[:, :2]
    lip = np.vstack([points[list(LOWER_INNER_LIP)], points[list(LOWER_OUTER_LIP)][::-1]])
    cv2.fillPoly(image, [lip.round().astype(np.int32)], (225, 205, 200))
    assert not checked(replace(CLARA, image=image), tracker).fragment


def test_a_hole_in_the_face_is_found(tracker: FaceTracker) -> None:
    mask = CLARA.mask.copy()
    cv2.circle(mask, CLARA.landmarks[NOSE_TIP, :2].round().astype(int).tolist(), 25, 0, -1)
    assert checked(replace(CLARA, mask=mask), tracker).hole


def test_lips_beside_the_mesh_are_found(tracker: FaceTracker) -> None:
    landmarks = CLARA.landmarks.copy()
    landmarks[:, 0] += 0.05 * eye_distance_px(landmarks)
    assert checked(replace(CLARA, landmarks=landmarks), tracker).lips_apart
