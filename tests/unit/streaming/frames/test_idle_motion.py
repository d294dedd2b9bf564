"""Proves that idle motion is deterministic, smooth and has natural rates."""

import numpy as np
import pytest

from streaming.frames.idle_motion import IdleMotion


def live(seconds: float, speaking: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    idle_motion = IdleMotion(seed)
    energy = np.abs(np.sin(np.arange(round(seconds * 30)) * 0.4)) * speaking
    frames = [idle_motion.step(speaking, float(e)) for e in energy]
    return np.array([f.pose for f in frames]), np.array([f.gaze for f in frames]), np.array([f.blink for f in frames])


def blinks(closure: np.ndarray) -> int:
    return int(np.count_nonzero((closure[1:] > 0.9) & (closure[:-1] <= 0.9)))


@pytest.mark.parametrize(("speaking", "least", "most"), [(0.0, 12, 24), (1.0, 18, 34)])
def test_blinks_per_minute_are_human(speaking: float, least: int, most: int) -> None:
    _, _, closure = live(600, speaking)
    assert least <= blinks(closure) / 10 <= most
    assert closure.min() == 0 and closure.max() == 1
    assert np.mean(closure > 0) < 0.2


def test_a_blink_closes_fully_and_takes_as_long_as_a_person_s() -> None:
    _, _, closure = live(300, 0.0)
    starts = np.flatnonzero((closure[:-1] == 0) & (closure[1:] > 0)) + 1
    for start in starts[:-1]:
        blink = closure[start : start + np.flatnonzero(closure[start:] == 0)[0]]
        if blink.size > 12:
            continue  # one blink after another
        down, up = int(blink.argmax()) + 1, blink.size - int(np.flatnonzero(blink == 1)[-1])
        assert blink.max() == 1
        assert 100 <= down * 1000 / 30 <= 150 and 150 <= up * 1000 / 30 <= 250
    assert len(starts) > 50


def test_the_same_seed_gives_the_same_motion_and_another_one_does_not() -> None:
    first, again, other = live(20, 0.5), live(20, 0.5), live(20, 0.5, seed=4)
    for one, two in zip(first, again, strict=True):
        assert (one == two).all()
    assert not np.allclose(first[0], other[0])


@pytest.mark.parametrize("speaking", [0.0, 1.0])
def test_the_head_moves_a_little_and_never_jumps(speaking: float) -> None:
    pose, _, _ = live(120, speaking)
    assert np.abs(pose[:, :3]).max() < np.deg2rad(7)
    assert pose[:, 1].std() > np.deg2rad(0.2)
    assert np.abs(np.diff(pose[:, :3], axis=0)).max() < np.deg2rad(1.5)


def test_eyes_rest_on_the_viewer_most_of_the_time() -> None:
    pose, gaze, _ = live(300, 0.0)
    line_of_sight = gaze + 0.8 * pose[:, [1, 0]]
    assert np.mean(np.hypot(*line_of_sight.T) < 0.06) > 0.85


def test_the_head_nods_after_a_phrase() -> None:
    quiet, nodding = IdleMotion(1), IdleMotion(1)
    nodding.phrase_ended()
    difference = [nodding.step(0.0, 0.0).pose[0] - quiet.step(0.0, 0.0).pose[0] for _ in range(15)]
    assert np.rad2deg(max(difference)) > 0.3
