"""A whole row of teeth in a photo is kept and fixed to the head; anything less is discarded."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP, eye_distance_px
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.enamel import cheek_color
from styletalk_core.rendering.mouth.teeth import Rows, TeethRow
from styletalk_core.rendering.mouth.teeth_row import find_rows
from styletalk_core.rendering.portrait.portrait import Portrait

BUILTIN = AvatarLibrary(Path("does-not-exist"))
STILL, AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)
WHITE = (226, 222, 210)


def smiling(teeth: slice = slice(1, -1)) -> Portrait:
    """A presenter with parted lips and upper teeth below the given points of the upper lip, before a dark palate."""
    known = BUILTIN.get("kenji")
    image, landmarks = known.image.copy(), known.landmarks.copy()
    unit = eye_distance_px(landmarks)
    bow = np.array([0.4, 0.7, 0.9, 1, 1, 1, 0.9, 0.7, 0.4]) * 0.13 * unit
    landmarks[list(LOWER_INNER_LIP[1:-1]), 1] += bow
    upper = landmarks[list(UPPER_INNER_LIP), :2]
    _fill(image, np.vstack([upper, landmarks[list(LOWER_INNER_LIP)[::-1], :2]]), (60, 30, 32))
    row = upper[teeth]
    _fill(image, np.vstack([row, row[::-1] + np.array([0, 0.06 * unit])]), WHITE)
    return replace(known, image=image, landmarks=landmarks)


def _fill(image: NDArray[np.uint8], outline: NDArray[np.float32], color: tuple[int, int, int]) -> None:
    cv2.fillPoly(image, [outline.round().astype(np.int32)], color, cv2.LINE_AA)


def _rows(portrait: Portrait) -> Rows:
    unit = eye_distance_px(portrait.landmarks)
    cheeks = cheek_color(portrait.image, portrait.landmarks, unit)
    middle = portrait.landmarks[13, :2]
    return find_rows(portrait.image, portrait.landmarks, middle, np.zeros(2, np.float32), unit, cheeks)


@pytest.mark.parametrize("name", BUILTIN.names())
def test_closed_lips_show_no_teeth(name: str) -> None:
    assert _rows(BUILTIN.get(name)) == Rows(None, None)


def test_a_whole_row_is_cut_with_its_colour() -> None:
    rows = _rows(smiling())
    assert rows.upper is not None and rows.lower is None
    assert np.abs(rows.upper.enamel - WHITE).max() < 6


@pytest.mark.parametrize("teeth", [slice(4, 7), slice(1, 6)], ids=["a few teeth", "one half"])
def test_a_fragment_is_not_a_row(teeth: slice) -> None:
    assert _rows(smiling(teeth)).upper is None


def test_the_teeth_of_the_photo_are_seen_where_they_were_and_stay_with_the_head() -> None:
    portrait = smiling()
    renderer = MeshRenderer(portrait, 512)
    photo = cv2.resize(portrait.image, (512, 512), interpolation=cv2.INTER_AREA).astype(int)
    as_photographed = -renderer.resting_offsets
    x, y = portrait.landmarks[13, :2] * (512 / portrait.image.shape[0]) + np.array([0, 0.045 * renderer.unit])
    tooth = (slice(int(y) - 1, int(y) + 2), slice(int(x) - 10, int(x) + 11))
    wider = as_photographed.copy()
    wider[[*LOWER_INNER_LIP[1:-1], 17, 152, 148, 377, 175, 199, 200], 1] += 0.05
    for offsets in (as_photographed, wider):
        shown = renderer.render_offsets(offsets, STILL, AHEAD, 0.0).astype(int)
        assert np.abs(shown[tooth] - photo[tooth]).mean() < 45  # the upper lip shades them


def test_a_lower_row_is_straight_and_upside_down() -> None:
    """The teeth of a bent upper row all end at the same height when they become a lower row."""
    rows, columns = np.indices((60, 120), np.float32)
    rgba = np.repeat((rows < 50 - 10 * ((columns - 60) / 60) ** 2)[..., None], 4, axis=-1).astype(np.float32)
    lower = TeethRow(rgba, -0.2, -0.1, 1 / 300, np.ones(3, np.float32)).as_lower()
    tips = (lower.rgba[..., 3] > 0.5).argmax(axis=0)
    assert np.ptp(tips) <= 1 and tips[60] < 6
    assert not lower.rgba[-10:].any()


def test_a_crooked_row_is_levelled_and_keeps_the_notches_between_its_teeth() -> None:
    rows, columns = np.indices((60, 120), np.float32)
    edge = 40 + columns / 30 + np.where((columns > 80) & (columns < 100), 6, 0) - np.where(columns == 60, 3, 0)
    rgba = np.repeat((rows < edge)[..., None], 4, axis=-1).astype(np.float32)
    row = TeethRow(rgba, -0.2, -0.1, 1 / 300, np.ones(3, np.float32))
    ends = [(teeth.rgba[..., 3] > 0.5).sum(axis=0).astype(int) for teeth in (row, row.evened(1.0))]
    assert [abs(int(end[5]) - int(end[115])) > 2 for end in ends] == [True, False]
    assert ends[1][90] - ends[1][70] < ends[0][90] - ends[0][70] - 2
    assert ends[1][60] < ends[1][57] - 1
