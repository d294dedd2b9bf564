"""Notes on a photo name what is wrong with it, and nothing else."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import EYES, LOWER_INNER_LIP, eye_distance_px
from styletalk_core.rendering.portrait.portrait import Portrait
from styletalk_core.rendering.portrait.quality import SMALL_FACE, notes_on

LIBRARY = AvatarLibrary(Path("does-not-exist"))
GOOD = LIBRARY.get("marcus")
HEIGHT = 2.0 * SMALL_FACE


def notes(portrait: Portrait, height: float = HEIGHT) -> list[str]:
    return notes_on(portrait.image, portrait.landmarks, height)


@pytest.mark.parametrize("name", LIBRARY.names())
def test_presenters_are_good_photos(name: str) -> None:
    assert notes(LIBRARY.get(name)) == []


def test_a_small_face_is_told_with_its_height() -> None:
    assert [note.split(":")[0] for note in notes(GOOD, 120)] == ["the face is 120 pixels high"]


def test_a_blurred_photo_is_told() -> None:
    blurred = cv2.GaussianBlur(GOOD.image, (0, 0), 0.03 * eye_distance_px(GOOD.landmarks))
    assert ["blurred" in note for note in notes(replace(GOOD, image=blurred))] == [True]


def test_an_open_mouth_is_told() -> None:
    landmarks = GOOD.landmarks.copy()
    landmarks[list(LOWER_INNER_LIP[1:-1]), 1] += 0.1 * eye_distance_px(landmarks)
    assert ["mouth is open" in note for note in notes(replace(GOOD, landmarks=landmarks))] == [True]


def test_a_half_closed_eye_is_told() -> None:
    landmarks = GOOD.landmarks.copy()
    upper, lower = list(EYES[0].upper_lid), list(EYES[0].lower_lid)
    landmarks[upper] = 0.4 * landmarks[upper] + 0.6 * landmarks[lower]
    assert ["half closed" in note for note in notes(replace(GOOD, landmarks=landmarks))] == [True]


def test_a_face_lit_from_one_side_is_told() -> None:
    shade = np.linspace(0.2, 1.3, GOOD.image.shape[1])[None, :, None]
    side = (GOOD.image * shade).clip(0, 255).astype(np.uint8)
    assert ["in shadow" in note for note in notes(replace(GOOD, image=side))] == [True]
