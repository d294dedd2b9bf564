"""Proves that the decoder has the face, life the head, and that an interruption returns from what is on screen."""

import numpy as np

from streaming.composer import Composer, loudness

OPEN, REST = np.ones(64, np.float32), np.full(64, 0.1, np.float32)


def test_the_decoded_expression_reaches_the_face_unchanged() -> None:
    composer = Composer(0)
    for index, decoded in enumerate((REST, OPEN, REST)):
        np.testing.assert_array_equal(composer.compose(index, 0, decoded, index == 1, 0.1).expression, decoded)


def test_an_interruption_returns_to_rest_from_what_is_on_screen() -> None:
    composer = Composer(0)
    frames = [composer.compose(i, 0, OPEN * (i / 10), True, 0.1) for i in range(10)]
    composer.interrupt(frames[7])
    after = [float(composer.compose(i, 1, REST, False, 0.1).expression[0]) for i in range(10, 18)]
    assert frames[7].expression[0] > after[0] > 0.5
    assert after == sorted(after, reverse=True)
    np.testing.assert_allclose(after[4:], 0.1)


def test_speech_that_resumes_while_the_mouth_closes_does_not_make_it_jump() -> None:
    composer = Composer(0)
    shown = composer.compose(0, 0, OPEN, True, 0.1)
    composer.interrupt(shown)
    values = [float(composer.compose(i, 1, REST if i < 3 else OPEN, i >= 3, 0.1).expression[0]) for i in range(1, 9)]
    assert np.abs(np.diff([1.0, *values])).max() < 0.6
    assert values[-1] == 1


def test_a_frame_left_out_is_lived_through() -> None:
    every, half = Composer(5), Composer(5)
    full = [every.compose(i, 0, REST, False, 0.0) for i in range(31)]
    sparse = [half.compose(i, 0, REST, False, 0.0) for i in range(0, 31, 2)]
    np.testing.assert_array_equal(full[30].pose, sparse[15].pose)


def test_loudness_is_logarithmic_between_quiet_and_loud() -> None:
    assert loudness(0.0) == 0 and loudness(1.0) == 1
    assert 0.4 < loudness(0.025) < 0.6
