"""An avatar takes its teeth from a smile of the same person or from the bank; other photos change nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from styletalk_core.errors import InputError, NotFound
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.enrollment import enroll_avatar, enroll_smile
from styletalk_core.library.teeth import with_smile, with_teeth
from styletalk_core.rendering.arrays import Image
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, eye_distance_px
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.smile import smile_rows
from styletalk_core.rendering.mouth.teeth_bank import bank
from styletalk_core.rendering.portrait.portrait import Portrait
from styletalk_core.rendering.portrait.same_person import MIN_LIKENESS, likeness

BUILTIN = AvatarLibrary(Path("does-not-exist"))
WHITE, YELLOW, TONGUE = (226, 222, 210), (226, 214, 160), (226, 170, 165)


def saved(image: Image, path: Path) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


def smiling(name: str, teeth: tuple[int, int, int] | None) -> Portrait:
    """A presenter with parted lips, teeth of a colour and a dark palate."""
    known = BUILTIN.get(name)
    image, landmarks = known.image.copy(), known.landmarks.copy()
    unit = eye_distance_px(landmarks)
    upper = landmarks[[78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308], :2].copy()
    bow = np.array([0.4, 0.7, 0.9, 1, 1, 1, 0.9, 0.7, 0.4]) * 0.15 * unit
    landmarks[list(LOWER_INNER_LIP[1:-1]), 1] += bow
    below = landmarks[list(LOWER_INNER_LIP), :2]
    cv2.fillPoly(image, [np.vstack([upper, below[::-1]]).round().astype(np.int32)], (60, 30, 32), cv2.LINE_AA)
    if teeth is not None:
        row = upper[1:-1]
        outline = np.vstack([row, row[::-1] + np.array([0, 0.06 * unit])])
        cv2.fillPoly(image, [outline.round().astype(np.int32)], teeth, cv2.LINE_AA)
    return replace(known, image=image, landmarks=landmarks)


def test_the_teeth_of_a_smile_keep_their_tint_and_stay_below_the_closed_lips() -> None:
    portrait = BUILTIN.get("kenji")
    white, yellow = (
        smile_rows(smile.image, smile.landmarks, portrait.landmarks).upper
        for smile in (smiling("kenji", WHITE), smiling("kenji", YELLOW))
    )
    assert white is not None and yellow is not None
    assert 0 <= white.edge <= 0.05
    assert yellow.enamel[2] / yellow.enamel[0] < white.enamel[2] / white.enamel[0] - 0.02


def test_a_smile_of_half_the_size_gives_the_same_teeth() -> None:
    smile, portrait = smiling("kenji", WHITE), BUILTIN.get("kenji")
    half = cv2.resize(smile.image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    one = smile_rows(smile.image, smile.landmarks, portrait.landmarks).upper
    other = smile_rows(half, smile.landmarks * 0.5, portrait.landmarks).upper
    assert one is not None and other is not None
    assert abs(one.edge - other.edge) < 0.01
    assert abs(one.rgba.shape[1] - other.rgba.shape[1]) * one.pixel < 0.03


@pytest.mark.parametrize("row", [None, TONGUE], ids=["dark", "tongue"])
def test_a_mouth_without_teeth_is_no_smile(row: tuple[int, int, int] | None) -> None:
    smile = smiling("kenji", row)
    with pytest.raises(InputError, match="no whole row of upper teeth"):
        smile_rows(smile.image, smile.landmarks, smile.landmarks)


def test_chosen_teeth_are_drawn_and_come_back_from_the_file() -> None:
    portrait = BUILTIN.get("kenji")
    smile = smiling("kenji", YELLOW)
    chosen = replace(portrait, teeth=smile_rows(smile.image, smile.landmarks, portrait.landmarks))
    again = Portrait.decoded("kenji", chosen.encoded())
    assert again.teeth is not None and again.teeth.upper is not None and again.teeth.lower is None
    shown = []
    for each in (portrait, chosen, again):
        renderer = MeshRenderer(each, 256)
        offsets = np.zeros((478, 3), np.float32)
        offsets[[*LOWER_INNER_LIP[1:-1], 17, 152, 148, 377, 175, 199, 200], 1] += 0.15
        shown.append(renderer.render_offsets(offsets, np.zeros(6, np.float32), np.zeros(2, np.float32), 0.0))
    assert np.abs(shown[0].astype(int) - shown[1]).max() > 30
    assert np.abs(shown[1].astype(int) - shown[2]).mean() < 1.5
    assert Portrait.decoded("kenji", portrait.encoded()).teeth is None


def test_a_row_of_the_bank_is_chosen_by_its_number() -> None:
    portrait = with_teeth(BUILTIN.get("clara"), 2)
    assert portrait.teeth is not None and portrait.teeth.upper is bank()[1]
    for number in (0, len(bank()) + 1):
        with pytest.raises(InputError, match=f"there are teeth 1 to {len(bank())}, not {number}"):
            with_teeth(portrait, number)


def test_presenters_are_unlike_each_other_and_like_a_dim_turned_copy_of_themselves() -> None:
    portraits = [BUILTIN.get(name) for name in BUILTIN.names()]
    for one in portraits:
        dim = (one.image * np.linspace(0.4, 0.9, one.image.shape[1])[None, :, None]).astype(np.uint8)
        assert likeness(one.image, one.landmarks, dim, one.landmarks) > MIN_LIKENESS
        for other in portraits:
            if other is not one:
                assert likeness(one.image, one.landmarks, other.image, other.landmarks) < MIN_LIKENESS


def _wall(portrait: Portrait) -> Image:
    return np.full((400, 400, 3), 128, np.uint8)


def _twice(portrait: Portrait) -> Image:
    return np.hstack([portrait.image, portrait.image])


def _somebody_else(portrait: Portrait) -> Image:
    return BUILTIN.get("clara").image


def _closed(portrait: Portrait) -> Image:
    return portrait.image


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (_wall, "no face was found"),
        (_twice, "it shows 2 faces"),
        (_somebody_else, "it seems to show somebody else"),
        (_closed, "no whole row of upper teeth"),
    ],
)
def test_an_unusable_smile_is_refused_in_a_sentence_and_nothing_is_stored(
    tmp_path: Path, photo: Callable[[Portrait], Image], reason: str
) -> None:
    portrait = BUILTIN.get("marcus")
    smile = saved(photo(portrait), tmp_path / "smile.png")
    library = AvatarLibrary(tmp_path / "avatars")
    with pytest.raises(InputError, match=f"^the smiling photo cannot be used: .*{reason}"):
        enroll_avatar(library, "me", saved(portrait.image, tmp_path / "me.png"), size=256, smile=smile)
    assert library.added_names() == []
    with pytest.raises(InputError, match=reason):
        with_smile(portrait, smile)
    with pytest.raises(NotFound, match="no added avatar 'marcus'"):
        enroll_smile(library, "marcus", smile)
