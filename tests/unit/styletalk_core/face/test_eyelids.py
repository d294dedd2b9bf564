"""Blinks are found and bridged, and an eye that is kept shut is found and opened."""

import numpy as np
import pytest

from styletalk_core.face.eyelids import lid_gaps, lid_gaps_of, shut_eye, with_open_eye, without_blinks
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.landmarks import (
    BROW_LEFT,
    BROW_RIGHT,
    LIPS,
    MESH_POINTS,
    UPPER_LID_LEFT,
    UPPER_LID_RIGHT,
)

MODEL = FaceModel.load()
OPEN = lid_gaps(MODEL.mean)


def coefficients(left: float, right: float, frames: int = 40) -> np.ndarray:
    """Motion whose eyes are closed by these shares and whose left brow goes up and down."""
    faces = np.repeat(MODEL.mean[None, :MESH_POINTS], frames, axis=0)
    faces[:, list(UPPER_LID_LEFT), 1] += left * OPEN[0]
    faces[:, list(UPPER_LID_RIGHT), 1] += right * OPEN[1]
    for brow, amount in ((BROW_LEFT, 0.03), (BROW_RIGHT, 0.01)):
        faces[:, list(brow), 1] += amount * np.sin(np.arange(frames) / 4)[:, None]
    return MODEL.encode(faces, MODEL.mean)


def test_gaps_of_coefficients_are_those_of_their_faces() -> None:
    motion = coefficients(0.3, 0.1)
    assert lid_gaps_of(motion, MODEL) == pytest.approx(lid_gaps(MODEL.mean + MODEL.offsets(motion)), abs=1e-5)


def test_blinks_are_bridged_and_nothing_else_changes() -> None:
    motion = coefficients(0.0, 0.0, 60)
    motion[30:34] = coefficients(0.9, 0.9, 60)[30:34]
    bridged = without_blinks(motion, MODEL)
    assert lid_gaps_of(motion, MODEL).min() < 0.5 * OPEN.mean() < 0.9 * OPEN.mean() < lid_gaps_of(bridged, MODEL).min()
    assert (bridged[:25] == motion[:25]).all() and (bridged[40:] == motion[40:]).all()


@pytest.mark.parametrize(("left", "right", "shut"), [(0.0, 0.0, None), (0.3, 0.2, None), (0.9, 0.0, 0), (0.0, 0.9, 1)])
def test_a_shut_eye_is_found(left: float, right: float, shut: int | None) -> None:
    assert shut_eye(coefficients(left, right), MODEL) == shut


@pytest.mark.parametrize("eye", [0, 1])
def test_a_shut_eye_takes_after_the_other_one(eye: int) -> None:
    motion = coefficients(0.9 * (1 - eye), 0.9 * eye)
    opened = with_open_eye(motion, eye, MODEL)
    gaps = lid_gaps_of(opened, MODEL).mean(axis=0)
    assert gaps[eye] == pytest.approx(gaps[1 - eye], rel=0.15) and gaps.min() > 0.8 * OPEN.mean()
    moved = (MODEL.offsets(opened) - MODEL.offsets(motion))[:, list(LIPS)]
    assert np.abs(moved).max() < 0.01, "the mouth stays as it was"
