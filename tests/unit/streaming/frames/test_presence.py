"""Proves that presence turns, calms and engages a face without a jump, and leaves one alone that it is not asked of."""

import numpy as np
import pytest

from streaming.frames.idle_motion import IdleMotion
from streaming.frames.presence import MAX_PITCH, MAX_YAW, NATURAL, Attention, Presence, PresenceMotion


def motion(presence: Presence, seconds: float = 20.0, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Pose (T, 6) and gaze (T, 2) of a face that does not speak; the first second is natural."""
    idle, poses, gazes = IdleMotion(seed), [], []
    for frame in range(round(seconds * 30)):
        idle.presence = presence if frame >= 30 else NATURAL
        shown = idle.step(0.0, 0.0)
        poses.append(shown.pose)
        gazes.append(shown.gaze)
    return np.array(poses), np.array(gazes)


def test_a_natural_face_moves_as_before() -> None:
    pose, gaze = np.full(6, 0.1, np.float32), np.full(2, -0.2, np.float32)
    for ours, theirs in zip(PresenceMotion().step(NATURAL, pose, gaze), (pose, gaze), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("look", [(0.4, 0.0), (-0.3, 0.2), (0.0, -0.25)])
def test_head_and_eyes_share_a_look(look: tuple[float, float]) -> None:
    (pose, gaze), (still_pose, still_gaze) = motion(Presence(look_at=look)), motion(NATURAL)
    turned = (pose[:, [1, 0]] - still_pose[:, [1, 0]])[-60:].mean(axis=0)
    np.testing.assert_allclose(turned + (gaze - still_gaze)[-60:].mean(axis=0), look, atol=1e-3)
    assert np.abs(turned).max() > 0.1
    assert np.abs(np.diff(pose, axis=0)).max() < 0.05  # rad a frame


def test_a_look_has_limits() -> None:
    assert Presence(look_at=(9, -9)).look.tolist() == [MAX_YAW, -MAX_PITCH]


def test_a_still_face_keeps_its_head_and_blinks() -> None:
    pose, gaze = motion(Presence(stillness=1.0))
    assert pose[90:].std(axis=0).max() < 1e-3 and gaze[90:].std(axis=0).max() < 1e-3
    half, lively = motion(Presence(stillness=0.5))[0], motion(NATURAL)[0]
    assert half[90:, 1].std() == pytest.approx(lively[90:, 1].std() / 2, rel=0.1)


def test_a_listener_nods_more_often() -> None:
    def nods(attention: Attention) -> float:
        pitch = motion(Presence(attention), seconds=60)[0][60:, 0]
        return float(np.abs(np.diff(pitch)).sum())

    assert nods(Attention.LISTENING) > 1.3 * nods(Attention.SPEAKING)


def test_a_face_that_is_away_looks_aside() -> None:
    pose, gaze = motion(Presence(Attention.AWAY))
    assert (pose[-60:, 1] + gaze[-60:, 0]).mean() > 0.2
