"""Proves that the decoder drives the face, idle motion the head, and that an interruption starts at the shown face."""

import numpy as np

from streaming.frames.composer import OPENING, Composer, loudness
from streaming.units import FRAME_TICKS

OPEN, REST = np.ones(64, np.float32), np.full(64, 0.1, np.float32)


def test_the_decoded_expression_reaches_the_face_unchanged() -> None:
    composer = Composer(0)
    shown = [composer.compose(index * FRAME_TICKS, 0, OPEN * index, True, 0.1).expression for index in range(6)]
    np.testing.assert_array_equal(shown[3:], [OPEN * 3, OPEN * 4, OPEN * 5])
    silent = composer.compose(6 * FRAME_TICKS, 0, REST, False, 0.0).expression
    np.testing.assert_array_equal(silent[OPENING + 1 :], REST[OPENING + 1 :])


def test_lips_come_together_when_there_is_no_speech_and_part_in_time_for_the_next_word() -> None:
    composer = Composer(0)
    lips = [
        float(composer.compose(i * FRAME_TICKS, 0, OPEN, not 6 <= i < 16, 0.1).expression[OPENING]) for i in range(20)
    ]
    assert lips[5] == 1 and lips[6:11] == sorted(lips[6:11], reverse=True)
    assert lips[11:16] == [0] * 5
    assert lips[18] == 1 and np.diff(lips).max() < 0.4
    pressed = composer.compose(30 * FRAME_TICKS, 0, -REST, False, 0.0).expression[OPENING]
    assert pressed == np.float32(-0.1), "closed lips are not opened"


def test_an_interruption_returns_to_rest_from_what_is_on_screen() -> None:
    composer = Composer(0)
    frames = [composer.compose(i * FRAME_TICKS, 0, OPEN * (i / 10), True, 0.1) for i in range(10)]
    composer.interrupt(frames[7])
    after = [float(composer.compose(i * FRAME_TICKS, 1, REST, False, 0.1).expression[1]) for i in range(10, 18)]
    assert frames[7].expression[1] > after[0] > 0.5
    assert after == sorted(after, reverse=True)
    np.testing.assert_allclose(after[4:], 0.1)


def test_speech_that_resumes_while_the_mouth_closes_does_not_make_it_jump() -> None:
    composer = Composer(0)
    shown = composer.compose(0, 0, OPEN, True, 0.1)
    composer.interrupt(shown)
    values = [
        float(composer.compose(i * FRAME_TICKS, 1, REST if i < 3 else OPEN, i >= 3, 0.1).expression[1])
        for i in range(1, 9)
    ]
    assert np.abs(np.diff([1.0, *values])).max() < 0.6
    assert values[-1] == 1


def test_idle_motion_continues_over_a_skipped_frame() -> None:
    every, half = Composer(5), Composer(5)
    full = [every.compose(i * FRAME_TICKS, 0, REST, False, 0.0) for i in range(31)]
    sparse = [half.compose(i * FRAME_TICKS, 0, REST, False, 0.0) for i in range(0, 31, 2)]
    np.testing.assert_array_equal(full[30].pose, sparse[15].pose)


def test_between_two_steps_idle_motion_is_interpolated() -> None:
    every, twenty = Composer(5), Composer(5)
    full = [every.compose(i * FRAME_TICKS, 0, REST, False, 0.0) for i in range(31)]
    sparse = [twenty.compose(i * FRAME_TICKS * 3 // 2, 0, REST, False, 0.0) for i in range(21)]
    np.testing.assert_allclose(sparse[1].pose, (full[1].pose + full[2].pose) / 2, atol=1e-6)
    np.testing.assert_array_equal(sparse[2].pose, full[3].pose)
    steps = np.abs(np.diff([motion.pose[1] for motion in sparse]))
    assert steps[2:].max() < 4 * np.median(steps[2:])


def test_loudness_is_logarithmic_between_quiet_and_loud() -> None:
    assert loudness(0.0) == 0 and loudness(1.0) == 1
    assert 0.4 < loudness(0.025) < 0.6
