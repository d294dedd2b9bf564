"""Proves when the overload ladder is climbed, and how it finds its way down."""

from collections.abc import Callable

import pytest

from streaming.overload import OverloadLadder

FPS = 30


def drive(
    ladder: OverloadLadder, begin: float, end: float, late: Callable[[float, int], bool], busy: float = 0.5
) -> list[tuple[float, int]]:
    """Frames at 30 fps, half of them above level 0; ``late`` says of a moment and a level whether its frame is late.

    Returns:
        (moment, level) of every change.
    """
    changes, level = [], ladder.level
    for frame in range(round(begin * FPS), round(end * FPS)):
        now = frame / FPS
        ladder.ran(now, busy / FPS)
        if ladder.level == 0 or frame % 2 == 0:
            ladder.frame(now, late(now, ladder.level))
        if ladder.level != level:
            level = ladder.level
            changes.append((now, level))
    return changes


@pytest.mark.parametrize("stall", [0.3, 0.6, 1.0])
def test_a_single_stall_however_bad_changes_nothing(stall: float) -> None:
    assert drive(OverloadLadder(), 0, 20, lambda now, level: 10 <= now < 10 + stall) == []


def test_a_late_frame_now_and_then_changes_nothing() -> None:
    assert drive(OverloadLadder(), 0, 20, lambda now, level: round(now * FPS) % 20 == 0) == []


def test_contention_at_the_start_halves_the_rate_for_two_seconds_only() -> None:
    changes = drive(OverloadLadder(), 0, 60, lambda now, level: now < 2.2)
    assert [level for _, level in changes] == [1, 0]
    assert changes[0][0] == pytest.approx(1.9, abs=0.3)
    assert changes[1][0] - changes[0][0] < 2.5


def test_lasting_overload_stays_at_half_rate_but_for_rarer_and_rarer_tries() -> None:
    changes = drive(OverloadLadder(), 0, 300, lambda now, level: level == 0)
    full = sum(next(end for end, level in changes if end > begin) - begin for begin, level in changes if level == 0)
    assert {level for _, level in changes} == {0, 1}
    assert full < 0.08 * 300
    calm = drive(OverloadLadder(), 0, 300, lambda now, level: level == 0 and now < 100)
    assert calm[-1][1] == 0 and calm[-1][0] < 165


def test_the_top_is_reached_when_half_the_rate_is_too_much_as_well() -> None:
    ladder = OverloadLadder()
    changes = drive(ladder, 0, 5, lambda now, level: True)
    assert [level for _, level in changes] == [1, 2]
    assert ladder.level == 2


def test_the_busy_share_is_that_of_the_last_two_seconds() -> None:
    ladder = OverloadLadder()
    drive(ladder, 0, 3, lambda now, level: False, busy=0.9)
    drive(ladder, 3, 6, lambda now, level: False, busy=0.3)
    assert ladder.busy_share == pytest.approx(0.3, abs=0.02)
