"""The blur of a photo is measured as it was made; what is drawn into a blurred photo is blurred alike."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering import mesh_renderer
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.teeth_bank import bank
from styletalk_core.rendering.portrait.portrait import Portrait
from styletalk_core.rendering.portrait.sharpness import blur_of

CLARA = AvatarLibrary(Path("does-not-exist")).get("clara")
SIZE = 256
OPEN = 0.15
"""Way of the lower lip, inter-ocular distances."""


def blurred(deviation: float) -> Portrait:
    return replace(CLARA, image=cv2.GaussianBlur(CLARA.image, (0, 0), deviation))


@pytest.mark.parametrize("deviation", [1.5, 2.0, 3.0, 4.0])
def test_a_known_blur_is_measured(deviation: float) -> None:
    assert blur_of(blurred(deviation).image, CLARA.landmarks) == pytest.approx(deviation, rel=0.15)


def test_a_sharp_photo_and_an_empty_one_are_not_blurred() -> None:
    assert blur_of(CLARA.image, CLARA.landmarks) < 0.5
    assert blur_of(np.zeros_like(CLARA.image), CLARA.landmarks) == 0


def inside_detail(portrait: Portrait) -> float:
    """Mean fine detail of the layer behind the open lips, grey levels."""
    renderer = MeshRenderer(portrait, SIZE)
    offsets = renderer.resting_offsets.copy()
    offsets[list(LOWER_INNER_LIP[1:-1]), 1] += OPEN
    mouth = renderer.scene(offsets, np.zeros(6, np.float32), np.zeros(2, np.float32), 0.0).patches[-1]
    grey = mouth.color.mean(axis=-1)
    inside = cv2.erode(mouth.mask, np.ones((3, 3), np.uint8)) > 0.99
    return float(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1))[inside].mean())


def test_a_mouth_is_no_sharper_than_its_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    portrait = blurred(6)
    like_photo = inside_detail(portrait)
    monkeypatch.setattr(mesh_renderer, "blur_of", lambda *_: 0.0)
    assert like_photo < 0.8 * inside_detail(portrait)


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
