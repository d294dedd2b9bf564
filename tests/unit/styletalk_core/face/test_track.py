"""Smoothing and resampling preserve closures, times and gaps; a stored track can be read back."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import Array
from styletalk_core.face.track import Track, lip_gap, make_track, smooth

MODEL = FaceModel.load()
SIZE = (256, 256)


def faces(openings: Array) -> Array:
    """Frontal faces of 80 px between the eyes whose mouths open with the first coefficient."""
    coefficients = np.zeros((len(openings), 64), np.float32)
    coefficients[:, 0] = openings
    return np.asarray(80 * (MODEL.mean + MODEL.offsets(coefficients)) + 128, np.float32)


def track(landmarks: Array, times: Array | None = None) -> Track:
    times = np.arange(len(landmarks)) / 25 if times is None else times
    return make_track(landmarks, np.zeros((len(landmarks), 52), np.float32), times, SIZE, faces=1)


def test_one_closed_frame_stays_closed_where_plain_smoothing_would_open_it() -> None:
    openings = np.full(21, 2.0, np.float32)
    openings[10] = 0
    raw = faces(openings)
    assert lip_gap(smooth(raw))[10] < lip_gap(raw)[10] + 0.5
    assert lip_gap(smooth(raw))[5] == pytest.approx(lip_gap(raw)[5], abs=0.05)


def test_smoothing_calms_trembling_without_delay() -> None:
    openings = np.sin(np.arange(60) / 4).astype(np.float32) + 1
    clean = faces(openings)
    noisy = clean + np.random.default_rng(0).normal(0, 0.4, clean.shape).astype(np.float32)
    calm = smooth(noisy)
    assert np.abs(calm - clean).mean() < 0.75 * np.abs(noisy - clean).mean()
    lags = [np.corrcoef(lip_gap(calm)[3:-3], np.roll(lip_gap(clean), lag)[3:-3])[0, 1] for lag in (-1, 0, 1)]
    assert int(np.argmax(lags)) == 1


def test_resampling_follows_true_times_and_opens_no_closed_lips() -> None:
    openings = np.tile([0, 0, 0, 2, 2], 12).astype(np.float32)
    source = track(faces(openings))
    at_30 = source.resampled(30)
    assert len(at_30.times) == int(59 / 25 * 30) + 1
    assert lip_gap(at_30.landmarks).min() >= lip_gap(source.landmarks).min() - 0.05
    assert np.interp(at_30.times, source.times, lip_gap(source.landmarks)) == pytest.approx(
        lip_gap(at_30.landmarks), abs=2.5
    )


def test_track_at_the_wanted_rate_is_left_alone() -> None:
    source = track(faces(np.ones(12, np.float32)), np.arange(12) / 30)
    assert source.resampled(30).landmarks is source.landmarks


def test_frames_without_a_face_are_marked_and_not_invented() -> None:
    landmarks = faces(np.ones(40, np.float32))
    landmarks[10:25] = np.nan
    source = track(landmarks)
    assert not source.tracked[10:25].any()
    assert source.tracked[:10].all()
    resampled = source.resampled(30)
    middle = (resampled.times > 10 / 25) & (resampled.times < 24 / 25)
    assert np.isnan(resampled.landmarks[middle]).all()
    assert (resampled.confidence[middle] == 0).all()


def test_clip_without_any_face_is_refused() -> None:
    with pytest.raises(InputError, match="no face"):
        track(np.full((10, 478, 3), np.nan, np.float32))


def test_gaze_to_the_right_is_positive() -> None:
    landmarks = faces(np.ones(20, np.float32))
    landmarks[15:, 468:, 0] += 3
    source = track(landmarks)
    assert source.gaze[18, 0] > 0.2
    assert abs(source.gaze[18, 1]) < 0.02


def test_saved_track_is_loaded_unchanged(tmp_path: Path) -> None:
    source = track(faces(np.ones(8, np.float32)))
    source.save(tmp_path / "clip.npz")
    loaded = Track.load(tmp_path / "clip.npz")
    assert (loaded.landmarks == source.landmarks).all()
    assert (loaded.fps, loaded.size, loaded.faces) == (25, SIZE, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npz"]


def test_part_starts_at_time_zero() -> None:
    part = track(faces(np.ones(20, np.float32))).part(5, 15)
    assert len(part.landmarks) == 10
    assert part.times[0] == 0
