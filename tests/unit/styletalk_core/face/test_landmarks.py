"""Named landmarks are where their names say, checked on the mean face."""

import numpy as np

from styletalk_core.face import landmarks as named
from styletalk_core.face.face_model import FaceModel

FACE = FaceModel.load().mean


def test_mirror_is_its_own_inverse_and_swaps_sides() -> None:
    assert (named.MIRROR[named.MIRROR] == np.arange(named.LANDMARKS)).all()
    assert np.abs(FACE[:, 0] + FACE[named.MIRROR, 0]).max() < 0.03
    assert np.abs(FACE[:, 1] - FACE[named.MIRROR, 1]).max() < 0.03


def test_every_group_is_as_wide_on_both_sides() -> None:
    for group in (named.LIPS_OUTER, named.LIPS_INNER, named.FACE_OVAL, named.RIGID):
        assert len(set(group)) == len(group)
        assert set(named.MIRROR[list(group)]) == set(group)
    assert set(named.MIRROR[list(named.EYE_LEFT)]) == set(named.EYE_RIGHT)
    assert set(named.MIRROR[list(named.BROW_LEFT)]) == set(named.BROW_RIGHT)


def test_lips_lie_below_the_nose_and_pairs_above_each_other() -> None:
    assert len(named.LIPS) == 40
    assert FACE[list(named.LIPS), 1].min() > FACE[named.NOSE_TIP, 1]
    for upper, lower in named.INNER_LIP_PAIRS:
        assert abs(FACE[upper, 0] - FACE[lower, 0]) < 0.03
        assert FACE[lower, 1] > FACE[upper, 1] - 0.01


def test_lid_points_match() -> None:
    for above, below in (
        (named.UPPER_LID_LEFT, named.LOWER_LID_LEFT),
        (named.UPPER_LID_RIGHT, named.LOWER_LID_RIGHT),
    ):
        assert np.abs(FACE[list(above), 0] - FACE[list(below), 0]).max() < 0.05
        assert (FACE[list(above), 1] < FACE[list(below), 1]).all()
