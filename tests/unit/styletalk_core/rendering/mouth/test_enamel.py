"""Teeth have the light that the whites of the eyes show; eyes that show nothing change nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.face_mesh import EYES, eye_distance_px
from styletalk_core.rendering.mouth.enamel import cheek_color, enamel_color, sclera_color, usual_enamel
from styletalk_core.rendering.portrait.portrait import Portrait

LIBRARY = AvatarLibrary(Path("does-not-exist"))
CLARA = LIBRARY.get("clara")
COLD = np.array([0.7, 0.85, 1.0], np.float32)


def whites(portrait: Portrait) -> Float | None:
    return sclera_color(portrait.image, portrait.landmarks, eye_distance_px(portrait.landmarks))


def enamel(portrait: Portrait) -> Float:
    cheeks = cheek_color(portrait.image, portrait.landmarks, eye_distance_px(portrait.landmarks))
    return enamel_color(cheeks, whites(portrait))


@pytest.mark.parametrize("name", ["clara", "amara", "malik", "marcus"])
def test_whites_of_open_eyes_are_paler_than_cheeks(name: str) -> None:
    portrait = LIBRARY.get(name)
    seen = whites(portrait)
    cheeks = cheek_color(portrait.image, portrait.landmarks, eye_distance_px(portrait.landmarks))
    assert seen is not None and seen[0] / seen[2] < cheeks[0] / cheeks[2]


def test_teeth_have_the_colour_and_the_brightness_of_the_light() -> None:
    cold = replace(CLARA, image=np.round(CLARA.image * COLD).astype(np.uint8))
    dim = replace(CLARA, image=CLARA.image // 2)
    bright = enamel(CLARA)
    tint = enamel(cold) / bright
    assert tint[2] > 1.1 * tint[0]
    assert 0.45 < float((enamel(dim) / bright).mean()) < 0.75


def test_the_same_skin_in_another_light_has_other_teeth() -> None:
    cheeks = np.array([170, 120, 95], np.float32)
    cold, warm = (enamel_color(cheeks, light) for light in (np.float32([100, 120, 140]), np.float32([150, 115, 80])))
    assert warm[0] / warm[2] > 1.1 * cold[0] / cold[2]


def test_closed_eyes_show_no_light() -> None:
    landmarks = CLARA.landmarks.copy()
    for eye in EYES:
        landmarks[list(eye.upper_lid)] = landmarks[list(eye.lower_lid)]
    closed = replace(CLARA, landmarks=landmarks)
    assert whites(closed) is None
    cheeks = cheek_color(closed.image, landmarks, eye_distance_px(landmarks))
    np.testing.assert_array_equal(enamel(closed), enamel_color(cheeks, None))


@pytest.mark.parametrize("light", [(250, 120, 40), (60, 120, 250), (255, 255, 255)])
def test_no_light_makes_teeth_orange_blue_or_glaring(light: tuple[int, int, int]) -> None:
    cheeks = np.array([170, 120, 95], np.float32)
    teeth = enamel_color(cheeks, np.array(light, np.float32))
    assert teeth.max() < 1.3 * teeth.min() and teeth.mean() < 1.7 * cheeks.mean()


def test_sunglasses_do_not_blacken_teeth() -> None:
    cheeks = np.array([170, 120, 95], np.float32)
    dark = enamel_color(cheeks, np.array([8, 6, 30], np.float32))
    assert dark.mean() > 0.7 * usual_enamel(cheeks).mean()
    assert dark[2] < dark[0]
