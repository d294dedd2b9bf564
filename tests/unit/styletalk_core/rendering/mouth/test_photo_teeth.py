"""A portrait with visible teeth keeps them; one with closed lips has none."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP, eye_distance_px
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.interior import cheek_color
from styletalk_core.rendering.mouth.photo_teeth import photo_teeth
from styletalk_core.rendering.portrait.portrait import Portrait, enrol

BUILTIN = AvatarLibrary(Path("does-not-exist"))
STILL, AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)


@pytest.fixture(scope="module")
def smiling(tmp_path_factory: pytest.TempPathFactory) -> Portrait:
    """A presenter photographed with parted lips, a row of upper teeth painted between them."""
    known = BUILTIN.get("kenji")
    renderer = MeshRenderer(known, 512)
    offsets = np.zeros((478, 3), np.float32)
    lower = [*LOWER_INNER_LIP[1:-1], 17, 84, 314, 181, 405, 91, 321, 152, 148, 377, 175, 199, 200, 18]
    offsets[lower, 1] = 0.16
    image = renderer.render_offsets(offsets, STILL, AHEAD, 0.0)
    points = known.landmarks[:, :2] * (512 / known.image.shape[0])
    top = points[list(UPPER_INNER_LIP[2:-2])]
    teeth = np.vstack([top, top[::-1] + np.array([0, 0.07 * renderer.unit])])
    cv2.fillPoly(image, [teeth.round().astype(np.int32)], (226, 222, 210), cv2.LINE_AA)
    path = tmp_path_factory.mktemp("smile") / "smile.png"
    Image.fromarray(image).save(path)
    return enrol(path, size=512)


@pytest.mark.parametrize("name", BUILTIN.names())
def test_closed_lips_show_no_teeth(name: str) -> None:
    portrait = BUILTIN.get(name)
    unit = eye_distance_px(portrait.landmarks)
    cheeks = cheek_color(portrait.image, portrait.landmarks, unit)
    assert photo_teeth(portrait.image, portrait.landmarks, unit, cheeks) == (None, None)


def test_an_open_mouth_without_teeth_shows_none(smiling: Portrait) -> None:
    dark = smiling.image.copy()
    inside = np.vstack(
        [smiling.landmarks[list(UPPER_INNER_LIP), :2], smiling.landmarks[list(LOWER_INNER_LIP)[::-1], :2]]
    )
    cv2.fillPoly(dark, [inside.round().astype(np.int32)], (60, 30, 32), cv2.LINE_AA)
    unit = eye_distance_px(smiling.landmarks)
    assert photo_teeth(dark, smiling.landmarks, unit, cheek_color(dark, smiling.landmarks, unit)) == (None, None)


def test_the_teeth_of_the_photo_are_kept_and_fixed_to_the_head(smiling: Portrait) -> None:
    unit = eye_distance_px(smiling.landmarks)
    upper, lower = photo_teeth(
        smiling.image, smiling.landmarks, unit, cheek_color(smiling.image, smiling.landmarks, unit)
    )
    assert upper is not None and lower is None
    renderer = MeshRenderer(smiling, 512)
    photo = cv2.resize(smiling.image, (512, 512), interpolation=cv2.INTER_AREA).astype(int)
    as_photographed = -renderer.resting_offsets
    middle = smiling.landmarks[13, :2] * (512 / smiling.image.shape[0])
    x, y = int(middle[0]), int(middle[1] + 0.035 * renderer.unit)
    tooth = (slice(y - 2, y + 3), slice(x - 10, x + 11))
    again = renderer.render_offsets(as_photographed, STILL, AHEAD, 0.0).astype(int)
    assert np.abs(again[tooth] - photo[tooth]).mean() < 8
    wider = as_photographed.copy()
    wider[[*LOWER_INNER_LIP[1:-1], 17, 152, 148, 377, 175, 199, 200], 1] += 0.05
    assert np.abs(renderer.render_offsets(wider, STILL, AHEAD, 0.0)[tooth].astype(int) - photo[tooth]).mean() < 12


def test_the_teeth_do_not_gleam_through_closed_lips(smiling: Portrait) -> None:
    renderer = MeshRenderer(smiling, 512)
    closed = renderer.render_offsets(np.zeros((478, 3), np.float32), STILL, AHEAD, 0.0).astype(int)
    lips = renderer.scene(np.zeros((478, 3), np.float32), STILL, AHEAD, 0.0).vertices
    across = lips[[0, 17]]
    seam = closed[round(across[0, 1]) : round(across[1, 1]) + 1, round(lips[13, 0]) - 8 : round(lips[13, 0]) + 9].mean(
        -1
    )
    plain = renderer.render_offsets(np.zeros((478, 3), np.float32), STILL, AHEAD, 0.0, layers=False).astype(int)
    gleaming = plain[
        round(across[0, 1]) : round(across[1, 1]) + 1, round(lips[13, 0]) - 8 : round(lips[13, 0]) + 9
    ].mean(-1)
    assert seam.max() < 170 < gleaming.max()
