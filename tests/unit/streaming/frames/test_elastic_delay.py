"""Proves when the delay grows and shrinks: for persistent lateness, in steps, and fast only in silence."""

from collections.abc import Callable

import numpy as np

from streaming.frames.elastic_delay import DELAY_STEP, MAX_ADDED_DELAY_TICKS, DelaySeen, ElasticDelay
from streaming.units import Tick


def drive(lateness: Callable[[float], Tick], end: float, quiet: Callable[[float], bool]) -> list[tuple[float, Tick]]:
    """(moment, added delay) of every change; ``lateness`` is that of a frame at the planned delay."""
    elastic, changes = ElasticDelay(), list[tuple[float, Tick]]()
    for step in range(round(end * 150)):
        now = step / 150
        if step % 5 == 0:
            elastic.ready(lateness(now) - elastic.added)
        if step % 3 == 0 and elastic.step(now, quiet(now)):
            changes.append((now, elastic.added))
    return changes


def test_frames_in_time_and_single_stalls_change_nothing() -> None:
    assert drive(lambda now: -500, 20, lambda now: False) == []
    assert drive(lambda now: 9_000 if 5 <= now < 5.05 or 9 <= now < 9.05 else -500, 20, lambda now: True) == []


def test_while_there_is_speech_the_delay_goes_step_by_step_and_no_further_than_needed() -> None:
    changes = drive(lambda now: 1_400 if 5 <= now < 10 else -500, 20, lambda now: False)
    grown, shrunk = [at for at in changes if at[0] < 10], [at for at in changes if at[0] >= 10]
    assert [added for _, added in grown] == [480, 960, 1_440] and grown[-1][0] < 6.0
    assert [added for _, added in shrunk] == [960, 480, 0] and 12 < shrunk[0][0] < shrunk[-1][0] < 15
    assert min(np.diff([moment for moment, _ in changes])) > 0.14


def test_in_a_pause_it_goes_ten_steps_a_second() -> None:
    changes = drive(lambda now: 1_400 if 5 <= now < 10 else -500, 20, lambda now: True)
    moments = [moment for moment, _ in changes]
    assert [added for _, added in changes] == [480, 960, 1_440, 960, 480, 0]
    assert 0.19 < moments[2] - moments[0] < 0.25 and 0.19 < moments[5] - moments[3] < 0.25


def test_it_never_grows_by_more_than_a_tenth_of_a_second() -> None:
    changes = drive(lambda now: 48_000, 20, lambda now: False)
    assert changes[-1][1] == MAX_ADDED_DELAY_TICKS and len(changes) == MAX_ADDED_DELAY_TICKS // DELAY_STEP


def test_the_first_the_largest_and_the_last_delay_are_kept() -> None:
    seen = DelaySeen.of(9_600)
    seen.follow(12_000)
    seen.follow(10_080)
    assert (seen.first, seen.largest, seen.last) == (9_600, 12_000, 10_080)
