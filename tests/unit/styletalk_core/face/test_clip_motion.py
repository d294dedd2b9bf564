"""Coefficients estimated from a moving, turning head are those that moved it."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.face.clip_motion import ClipMotion, calm_frames, close_lips, encode_track, inner_gaps, person_face
from styletalk_core.face.face_model import LOWER, FaceModel
from styletalk_core.face.head_pose import Array, rotation_matrix
from styletalk_core.face.landmarks import LIPS, MESH_POINTS
from styletalk_core.face.track import Track, make_track
from styletalk_core.library.styles import StyleLibrary

MODEL = FaceModel.load()
NEUTRAL = StyleLibrary(Path("none")).get("neutral").coefficients
HAPPY = StyleLibrary(Path("none")).get("happy").coefficients


def filmed(coefficients: Array) -> Track:
    """The track of a head that nods and turns with a given motion, 70 px between the eyes, 30 fps."""
    time = np.arange(len(coefficients)) / 30
    canonical = MODEL.mean + MODEL.offsets(coefficients)
    heads = [
        70 * face @ rotation_matrix(0.05 * np.sin(3 * t), 0.1 * np.sin(2 * t), 0.05).T
        for face, t in zip(canonical, time, strict=True)
    ]
    scores = np.asarray(MODEL.rest_scores + coefficients @ MODEL.to_scores, np.float32)
    return make_track(np.array(heads, np.float32) + 128, scores, time, (256, 256), faces=1)


def test_mouth_comes_back_out_of_a_moving_head() -> None:
    track = filmed(NEUTRAL)
    motion = encode_track(track, person_face([track], MODEL, neutral=True), MODEL)
    assert motion.valid.all()
    shown, read = MODEL.offsets(NEUTRAL), MODEL.offsets(motion.coefficients)
    assert np.corrcoef(inner_gaps(shown)[:, 4], inner_gaps(read)[:, 4])[0, 1] > 0.97
    assert np.linalg.norm((shown - read)[:, list(LIPS), :2], axis=-1).mean() < 0.03


def test_held_smile_is_read_as_an_expression_not_as_the_face() -> None:
    """From the smiling clip alone: the read mouth is wider than the neutral one, by half of the truth at least."""
    track = filmed(HAPPY)
    motion = encode_track(track, person_face([track], MODEL), MODEL)
    width = MODEL.directions[:LOWER, 291, 0] - MODEL.directions[:LOWER, 61, 0]
    assert (motion.coefficients[:, :LOWER] @ width).mean() > 0.5 * (HAPPY[:, :LOWER] @ width).mean() > 0.03


def test_neutral_has_closed_lips_although_they_never_close() -> None:
    """A mouth that never closes belongs to the expression; a tracker's bias between closed lips does not."""
    always_open = NEUTRAL.copy()
    always_open[:, 0] += 1.5
    face = person_face([filmed(always_open)], MODEL)
    assert inner_gaps(face.neutral).max() < 0.03


def test_lips_close_by_the_asked_amount() -> None:
    opened = MODEL.mean + MODEL.offsets(NEUTRAL[:1] + 2 * np.eye(64, dtype=np.float32)[:1])[0]
    assert inner_gaps(opened).max() > 0.05
    assert inner_gaps(close_lips(opened, np.zeros(9, np.float32), MODEL)) == pytest.approx(np.zeros(9), abs=0.012)


def test_calm_frames_are_closed_and_have_open_eyes() -> None:
    canonical = MODEL.mean + MODEL.offsets(NEUTRAL)
    scores = np.zeros((len(NEUTRAL), 52), np.float32)
    calm = calm_frames(canonical, scores)
    gaps = inner_gaps(canonical)[:, 4]
    assert gaps[calm].mean() < np.percentile(gaps, 25)
    scores[calm, 9:11] = 1
    assert len(set(calm) & set(calm_frames(canonical, scores))) < len(calm) / 2


def test_lost_frames_are_marked(tmp_path: Path) -> None:
    track = filmed(NEUTRAL)
    track.landmarks[40:60] = np.nan
    track.confidence[40:60] = 0
    motion = encode_track(track, person_face([track], MODEL, neutral=True), MODEL)
    assert not motion.valid[40:60].any()
    assert np.isfinite(motion.coefficients).all()
    motion.save(tmp_path / "clip.npz")
    assert (ClipMotion.load(tmp_path / "clip.npz").coefficients == motion.coefficients).all()


def test_unit_is_the_distance_of_the_eyes() -> None:
    face = person_face([filmed(NEUTRAL)], MODEL, neutral=True)
    assert np.linalg.norm(face.neutral[33] - face.neutral[263]) == pytest.approx(1, abs=0.02)
    assert len(face.neutral) == MESH_POINTS
