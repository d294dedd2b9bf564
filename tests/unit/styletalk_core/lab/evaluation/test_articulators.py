"""Articulators tell directions of motion apart, and are compared without offsets, blinks and lags."""

import numpy as np
import pytest

from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.landmarks import BROW_LEFT, BROW_RIGHT, LOWER_LID_LEFT, LOWER_LID_RIGHT, MOUTH_CORNERS
from styletalk_core.lab.evaluation.articulators import (
    ARTICULATORS,
    Comparison,
    head_follows,
    of_faces,
    ranges,
)

FRAMES = 200
MODEL = FaceModel.load()
WAVE = np.sin(np.arange(FRAMES) / 3).astype(np.float32) * 0.02


def faces(points: list[int] | tuple[int, ...], axis: int, motion: np.ndarray) -> np.ndarray:
    """The mean face with some points moving along an axis."""
    moved = np.repeat(MODEL.mean[None], FRAMES, axis=0)
    moved[:, list(points), axis] += motion[:, None]
    return moved


@pytest.mark.parametrize(
    ("name", "points", "axis", "sign"),
    [
        ("opening", [14], 1, 1), ("width", [MOUTH_CORNERS[1]], 0, 1), ("corners", MOUTH_CORNERS, 1, -1),
        ("upper_lip", [0], 1, -1), ("lower_lip", [17], 1, 1), ("protrusion", [0, 17], 2, -1),
        ("brows", [*BROW_LEFT, *BROW_RIGHT], 1, -1), ("lids", [*LOWER_LID_LEFT, *LOWER_LID_RIGHT], 1, 1),
    ],
)  # fmt: skip
def test_each_articulator_follows_its_own_points_only(name: str, points: list[int], axis: int, sign: int) -> None:
    values = of_faces(faces(points, axis, WAVE), np.zeros((FRAMES, 6), np.float32))
    column = ARTICULATORS.index(name)
    assert sign * np.corrcoef(values[:, column], WAVE)[0, 1] == pytest.approx(1, abs=1e-3)
    assert np.delete(values, column, axis=1)[:, 6:].std(axis=0).max() < 1e-6


def test_head_articulators_are_yaw_pitch_and_roll() -> None:
    pose = np.zeros((FRAMES, 6), np.float32)
    pose[:, 0], pose[:, 1], pose[:, 2] = 1, 2, 3
    assert of_faces(faces([], 0, WAVE), pose)[0, -3:].tolist() == [2, 1, 3]


def test_offset_scale_and_lag_are_told_apart() -> None:
    true = np.random.default_rng(0).standard_normal((FRAMES, len(ARTICULATORS))).astype(np.float32)
    true[:, ARTICULATORS.index("lids")] += 20  # never a blink
    found = np.roll(0.5 * true, 2, axis=0) + 10
    figures = Comparison(found, true, np.ones(FRAMES, np.bool_), lag=2).figures()
    for name in ARTICULATORS:
        assert figures[f"{name}_correlation"] == pytest.approx(1, abs=1e-3)
        assert figures[f"{name}_range"] == pytest.approx(0.5, abs=0.05)


def test_blinks_do_not_count_as_range_of_the_lids() -> None:
    true = np.zeros((FRAMES, len(ARTICULATORS)), np.float32)
    column = ARTICULATORS.index("lids")
    true[:, column] = 0.1 + WAVE / 10
    blinked = true.copy()
    blinked[50:54, column] = 0
    assert ranges(blinked, true)["lids"] == pytest.approx(1, abs=0.05)


def test_closed_lips_count_in_speech_only() -> None:
    opening = np.zeros((FRAMES, len(ARTICULATORS)), np.float32)
    opening[: FRAMES // 2, 0] = 0.1
    spoken = np.arange(FRAMES) < 0.75 * FRAMES
    figures = Comparison(opening, opening + 0.1, spoken, 0).figures()
    assert figures["closed_share"] == pytest.approx(1 / 3, abs=0.01) and figures["closed_share_true"] == 0


def test_a_head_that_follows_the_loudness_is_told_from_one_that_does_not() -> None:
    random = np.random.default_rng(0)
    loud = np.convolve(random.random(600) > 0.98, np.ones(15), mode="same").astype(np.float32)
    pose = np.zeros((600, 6), np.float32)
    pose[:, 0] = np.cumsum(loud * random.choice([-1, 1], 600) * 0.01)
    follows, shuffled = head_follows(pose, loud)
    assert follows > 0.8 > 3 * abs(shuffled)
    assert abs(head_follows(pose[::-1], loud)[0]) < 0.4
