"""Proves which hop determines the phone of a frame, and that unknown frames are silence."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streaming.audio.phone_timeline import PhoneTimeline, first_frame_from
from streaming.media import TimedPhone
from streaming.units import FRAME_TICKS, HOP_TICKS, SILENCE, STEP_TICKS
from styletalk_core.phones import CONTEXT, PHONES, SIL_INDEX


def column(phone: int) -> np.ndarray:
    return np.eye(len(PHONES), dtype=np.float32)[phone]


def test_the_silence_symbol_and_the_window_are_those_of_the_core() -> None:
    window, _ = PhoneTimeline().window(0)
    assert SILENCE == SIL_INDEX
    assert window.shape == (2 * CONTEXT + 1, len(PHONES))


@given(base=st.integers(0, 5_000).map(lambda ticks: ticks * 3))
def test_a_frame_takes_the_hop_under_its_centre(base: int) -> None:
    timeline = PhoneTimeline()
    for hop in range(30):
        timeline.put(base + hop * HOP_TICKS, HOP_TICKS, column(hop), True)
    first = max(0, first_frame_from(base))
    for tick in range(first, first + 10 * FRAME_TICKS, STEP_TICKS):
        hop = (tick + FRAME_TICKS // 2 - base) // HOP_TICKS
        assert timeline.window(tick)[0][CONTEXT].argmax() == hop


def test_unknown_frames_are_silence_and_counted_as_unknown() -> None:
    timeline = PhoneTimeline()
    for hop in range(10):  # frames 0..5
        timeline.put(hop * HOP_TICKS, HOP_TICKS, column(3), True)
    window, known_future = timeline.window(3 * FRAME_TICKS)
    assert known_future == 2
    assert list(window.argmax(axis=1)) == [SILENCE, SILENCE, 3, 3, 3, 3, 3, 3, SILENCE, SILENCE, SILENCE]
    assert timeline.speech(5 * FRAME_TICKS) and not timeline.speech(6 * FRAME_TICKS)


def test_an_old_column_does_not_come_back_when_the_memory_wraps() -> None:
    timeline = PhoneTimeline(capacity=32)
    for hop in range(10):
        timeline.put(hop * HOP_TICKS, HOP_TICKS, column(3), True)
    assert not timeline.speech((16 + 2) * FRAME_TICKS)
    assert (timeline.window(18 * FRAME_TICKS)[0].argmax(axis=1) == SILENCE).all()


def test_an_interruption_silences_what_was_recognized() -> None:
    timeline = PhoneTimeline()
    timeline.put(0, 10 * HOP_TICKS, column(3), True)
    timeline.silence_all()
    assert (timeline.window(3 * FRAME_TICKS)[0].argmax(axis=1) == SILENCE).all()
    assert not timeline.speech(3 * FRAME_TICKS)


def test_a_phone_that_was_told_stays_whatever_is_recognized_and_speech_is_still_recognized() -> None:
    timeline = PhoneTimeline()
    timeline.put(0, HOP_TICKS, column(3), False)
    timeline.tell(TimedPhone(0, 5 * FRAME_TICKS, 7))
    timeline.put(0, 10 * HOP_TICKS, column(3), True)  # frames 0..5
    window, _ = timeline.window(3 * FRAME_TICKS)
    assert list(window.argmax(axis=1)[2:9]) == [7, 7, 7, 7, 7, 3, SILENCE]
    assert timeline.speech(2 * FRAME_TICKS)


def test_what_is_told_ahead_is_no_speech_before_it_is_recognized_and_goes_with_an_interruption() -> None:
    timeline = PhoneTimeline(capacity=32)
    timeline.put(0, 6 * HOP_TICKS, column(3), True)
    timeline.tell(TimedPhone(16 * FRAME_TICKS, 18 * FRAME_TICKS, 7))  # in the places of frames 0 and 1
    assert not timeline.speech(16 * FRAME_TICKS)
    timeline.silence_all()
    assert (timeline.window(16 * FRAME_TICKS)[0].argmax(axis=1) == SILENCE).all()
    timeline.put(16 * FRAME_TICKS, FRAME_TICKS, column(3), True)
    assert timeline.window(16 * FRAME_TICKS)[0][CONTEXT].argmax() == 3
