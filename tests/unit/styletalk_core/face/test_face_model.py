"""The packaged face model: zero is neutral, lips are exact, each group moves its part of the face."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from styletalk_core.face.face_model import COEFFICIENTS, LOWER, FaceModel
from styletalk_core.face.landmarks import BROW_LEFT, LIPS, MESH_POINTS, MIRROR
from styletalk_core.face.track import lip_gap
from styletalk_core.library.styles import StyleLibrary


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return FaceModel.load()


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    library = StyleLibrary(Path("none"))
    return np.concatenate([library.get(name).coefficients for name in ("neutral", "angry", "happy")])


def test_zero_is_the_neutral_face_with_closed_lips(model: FaceModel) -> None:
    assert not model.offsets(np.zeros((1, COEFFICIENTS), np.float32)).any()
    assert lip_gap(model.mean) < 0.02


def test_irises_do_not_move(model: FaceModel) -> None:
    assert not model.directions[:, MESH_POINTS:].any()


def test_faces_come_back_through_encode(model: FaceModel, motion: np.ndarray) -> None:
    neutral = model.mean[:MESH_POINTS]
    faces = neutral + model.offsets(motion)[:, :MESH_POINTS]
    again = neutral + model.offsets(model.encode(faces, neutral))[:, :MESH_POINTS]
    assert np.linalg.norm((again - faces)[:, list(LIPS)], axis=-1).mean() < 0.005
    assert np.abs(lip_gap(again) - lip_gap(faces)).max() < 0.01


def test_lower_coefficients_leave_the_brows_and_upper_ones_the_lips(model: FaceModel) -> None:
    assert np.abs(model.directions[:LOWER, list(BROW_LEFT)]).max() == 0
    assert np.abs(model.directions[LOWER:, list(LIPS)]).max() < 1e-6


def test_first_coefficient_opens_the_mouth(model: FaceModel) -> None:
    one = np.eye(COEFFICIENTS, dtype=np.float32)[:1]
    assert lip_gap(model.mean + model.offsets(2 * one)[0]) > lip_gap(model.mean) + 0.05


def test_every_main_direction_is_symmetric_or_antisymmetric(model: FaceModel) -> None:
    for direction in model.directions[: LOWER + 10, :MESH_POINTS]:
        flipped = (direction * [-1, 1, 1])[MIRROR[:MESH_POINTS]]
        likeness = (direction * flipped).sum() / (direction**2).sum()
        assert abs(abs(likeness) - 1) < 0.02


def test_head_turn_is_not_taken_for_an_expression(model: FaceModel) -> None:
    neutral = model.mean[:MESH_POINTS]
    turn = np.array([[0.1, 0.3, 0.0]], np.float32)
    seen = neutral + np.einsum("p,pni->ni", [0.1, 0.3, 0, 0.01, 0.09, 0.03], model.pose_leak)
    assert np.abs(model.encode(seen[None].astype(np.float32), neutral, turn)).max() < 1e-2


def test_coefficients_of_another_model_show_the_same_faces_and_come_back(model: FaceModel, motion: np.ndarray) -> None:
    directions = model.directions.copy()
    for part in (slice(0, LOWER), slice(LOWER, COEFFICIENTS)):  # other directions of the same motion
        size = part.stop - part.start
        mixing = np.random.default_rng(3).normal(0, 0.3, (size, size)) + 2 * np.eye(size)
        directions[part] = np.einsum("ij,jvx->ivx", mixing, model.directions[part])
    other = replace(model, directions=directions)
    changed = motion @ other.map_from(model)
    assert not np.allclose(changed, motion, atol=0.5)
    assert other.offsets(changed) == pytest.approx(model.offsets(motion), abs=1e-4)
    assert changed @ model.map_from(other) == pytest.approx(motion, abs=1e-3)


def test_saved_model_is_loaded_unchanged(model: FaceModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.safetensors")
    assert (FaceModel.load(tmp_path / "model.safetensors").directions == model.directions).all()
