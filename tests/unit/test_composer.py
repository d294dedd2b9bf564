"""Proves that speech moves the mouth, silence closes it, and an interruption closes it from what is on screen."""

import numpy as np

from streaming.composer import Composer, loudness
from streaming.media import LOWER_FACE, MotionFrame

DECODED = np.ones(64, np.float32)


def mouth(frame: MotionFrame) -> float:
    return float(frame.expression[:LOWER_FACE].max())


def test_the_mouth_opens_with_speech_and_closes_in_silence() -> None:
    composer = Composer(0)
    frames = [composer.compose(i, 0, DECODED, 10 <= i < 20, 0.1) for i in range(40)]
    openings = [mouth(frame) for frame in frames]
    assert max(openings[:10]) == 0
    assert openings[12] == 1 and openings[19] == 1
    assert max(openings[26:]) == 0
    assert np.abs(np.diff(openings)).max() < 0.5


def test_the_upper_face_keeps_its_style_in_silence() -> None:
    frame = Composer(0).compose(0, 0, DECODED, False, 0.0)
    assert (frame.expression[LOWER_FACE:] == 1).all()


def test_an_interruption_closes_the_mouth_from_what_is_on_screen_and_ignores_what_is_decoded() -> None:
    composer = Composer(0)
    frames = [composer.compose(i, 0, DECODED * (i / 10), True, 0.1) for i in range(10)]
    composer.interrupt(frames[7])
    after = [mouth(composer.compose(i, 1, DECODED * 5, False, 0.1)) for i in range(10, 18)]
    assert mouth(frames[7]) >= after[0] > 0.4
    assert after == sorted(after, reverse=True)
    assert after[4] == 0


def test_a_frame_left_out_is_lived_through() -> None:
    every, half = Composer(5), Composer(5)
    full = [every.compose(i, 0, DECODED, False, 0.0) for i in range(31)]
    sparse = [half.compose(i, 0, DECODED, False, 0.0) for i in range(0, 31, 2)]
    np.testing.assert_array_equal(full[30].pose, sparse[15].pose)


def test_loudness_is_logarithmic_between_quiet_and_loud() -> None:
    assert loudness(0.0) == 0 and loudness(1.0) == 1
    assert 0.4 < loudness(0.025) < 0.6
