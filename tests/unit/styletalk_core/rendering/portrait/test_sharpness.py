"""The blur of a photo is measured as it was made; what is drawn into a blurred photo is blurred alike."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.teeth_bank import bank
from styletalk_core.rendering.portrait.portrait import Portrait
from styletalk_core.rendering.portrait.sharpness import blur_of

CLARA = AvatarLibrary(Path("does-not-exist")).get("clara")
SIZE = 256


def blurred(deviation: float) -> Portrait:
    return replace(CLARA, image=cv2.GaussianBlur(CLARA.image, (0, 0), deviation))


@pytest.mark.parametrize("deviation", [1.5, 2.0, 3.0, 4.0])
def test_a_known_blur_is_measured(deviation: float) -> None:
    assert blur_of(blurred(deviation).image, CLARA.landmarks) == pytest.approx(deviation, rel=0.15)


def test_a_sharp_photo_and_an_empty_one_are_not_blurred() -> None:
    assert blur_of(CLARA.image, CLARA.landmarks) < 0.5
    assert blur_of(np.zeros_like(CLARA.image), CLARA.landmarks) == 0


def inside_detail(portrait: Portrait) -> float:
    """Mean fine detail inside the open mouth of a frame, grey levels."""
    renderer = MeshRenderer(portrait, SIZE)
    offsets = renderer.resting_offsets.copy()
    offsets[list(LOWER_INNER_LIP[1:-1]), 1] -= 0.6  # canonical units, up is positive
    frame: Float = renderer.render_offsets(offsets, np.zeros(6, np.float32), np.zeros(2, np.float32), 0.0)
    points = renderer.mesh.vertices[[*UPPER_INNER_LIP, *LOWER_INNER_LIP], :2]
    (left, top), (right, bottom) = points.min(axis=0).astype(int), points.max(axis=0).astype(int)
    grey = cv2.cvtColor(frame[top : bottom + 8, left + 4 : right - 4], cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1)).mean())


def test_a_mouth_is_no_sharper_than_its_photo() -> None:
    assert inside_detail(blurred(6)) < 0.8 * inside_detail(CLARA)


def test_a_blurred_row_keeps_its_place_and_its_amount() -> None:
    row = bank()[0]
    soft = row.blurred(0.02)
    assert soft.rgba.sum() == pytest.approx(row.rgba.sum(), rel=0.01)
    for axis, start in ((0, "top"), (1, "left")):
        centres = []
        for each in (row, soft):
            weight = each.rgba[..., 3].sum(axis=1 - axis)
            centres.append(
                getattr(each, start) + each.pixel * float(np.average(np.arange(len(weight)), weights=weight))
            )
        assert centres[0] == pytest.approx(centres[1], abs=row.pixel)
