"""Proves when the overload ladder steps down and up (calls under load: test_overloaded_call)."""

from collections.abc import Callable

import pytest

from streaming.scheduling.overload import OverloadLadder
from streaming.scheduling.plan import Rung, StageCosts, plan_for

COSTS = StageCosts(0.05, 0.003, {512: 0.014, 384: 0.008, 256: 0.0035}, {512: 0.004, 384: 0.0025, 256: 0.0015})
RUNGS = plan_for(COSTS, 2).rungs()
TOP = RUNGS[0]


def drive(
    ladder: OverloadLadder,
    begin: float,
    end: float,
    troubled: Callable[[float, Rung], bool],
    slowness: Callable[[float], float] = lambda now: 1.0,
) -> list[tuple[float, Rung]]:
    """Pictures at 30 fps or what the rung says; ``troubled`` says of a moment and a rung whether its picture is.

    Returns:
        (moment, rung) of every change.
    """
    changes, now = list[tuple[float, Rung]](), begin
    while now < end:
        rung = ladder.rung
        cost = COSTS.frame(rung.size)
        ladder.ran(now, cost * slowness(now), cost)
        ladder.frame(now, troubled(now, rung))
        if ladder.rung != rung:
            changes.append((now, ladder.rung))
        now += 1 / ladder.rung.frame_rate
    return changes


def ladder(spare: Callable[[], float | None] = lambda: None) -> OverloadLadder:
    return OverloadLadder(RUNGS, COSTS, cores=2.0, spare=spare)


@pytest.mark.parametrize("stall", [0.1, 0.3, 0.55])
def test_a_single_stall_changes_nothing_even_if_every_frame_in_it_is_late(stall: float) -> None:
    assert drive(ladder(), 0, 20, lambda now, rung: 10 <= now < 10 + stall) == []


def test_trouble_now_and_then_changes_nothing() -> None:
    assert drive(ladder(), 0, 20, lambda now, rung: round(now * 30) % 10 == 0) == []


def test_lasting_trouble_is_answered_within_a_second_one_rung_after_the_other() -> None:
    changes = drive(ladder(), 0, 10, lambda now, rung: now >= 2)
    assert [rung for _, rung in changes] == RUNGS[1:]
    assert changes[0][0] < 3


def test_frames_that_take_seconds_each_count_as_late() -> None:
    slow = ladder()
    for moment in (1.0, 3.0, 7.0):
        slow.ran(moment, 1.0, COSTS.frame(512))
        slow.frame(moment, True)
    assert slow.level == 5, "the least that there is"


def test_a_machine_that_is_known_to_be_much_too_slow_goes_to_what_fits_at_once() -> None:
    changes = drive(ladder(), 0, 5, lambda now, rung: rung.size > 256, lambda now: 3.0)
    assert [rung for _, rung in changes] == [Rung(256, 30)]


def test_when_the_load_ends_full_quality_is_back_within_five_seconds() -> None:
    changes = drive(
        ladder(), 0, 20, lambda now, rung: now < 10 and rung.frame_rate > 15, lambda now: 6.0 if now < 10 else 1.0
    )
    assert changes[-1][1] == TOP and changes[-1][0] < 15


def test_under_lasting_load_it_tries_more_and_more_rarely() -> None:
    changes = drive(ladder(), 0, 300, lambda now, rung: rung == TOP)
    at_top = sum(next(end for end, rung in changes if end > begin) - begin for begin, rung in changes if rung == TOP)
    assert {rung for _, rung in changes} == set(RUNGS[:2])
    assert at_top < 0.03 * 300


@pytest.mark.parametrize("period", [12.0, 20.0, 28.0])
def test_bursts_of_load_do_not_change_the_size_every_few_seconds(period: float) -> None:
    def burst(now: float) -> bool:
        return now % period > period - 3

    changes = drive(
        ladder(), 0, 600, lambda now, rung: burst(now) and rung.size > 256, lambda now: 2.0 if burst(now) else 1.0
    )
    assert 2 <= len(changes) <= 60


def test_after_failed_tries_it_comes_back_soon_when_processors_become_free() -> None:
    spare = [0.0]
    busy = ladder(lambda: spare[0])
    assert drive(busy, 0, 100, lambda now, rung: rung == TOP)[-1][1] == RUNGS[1]
    spare[0] = 1.2
    changes = drive(busy, 100, 105, lambda now, rung: False)
    assert [rung for _, rung in changes] == [TOP]


def test_what_would_not_fit_is_not_tried() -> None:
    changes = drive(ladder(), 0, 60, lambda now, rung: rung == TOP, lambda now: 1.6)
    assert [rung for _, rung in changes] == [RUNGS[1]], "512 px would take 0.9 of the time"


def test_a_slow_way_out_counts_as_well() -> None:
    slow = ladder()
    for step in range(60):
        slow.sent(step / 30, 10 * COSTS.encode[slow.rung.size], slow.rung.size)
        slow.frame(step / 30, slow.rung == TOP)
    assert slow.rung == RUNGS[1]
    drive(slow, 2, 3.4, lambda now, rung: False)
    assert slow.rung == RUNGS[1]


def test_more_sessions_need_more_time() -> None:
    sessions = [1]
    shared = OverloadLadder(RUNGS, COSTS, lambda: sessions[0], cores=2.0)
    assert drive(shared, 0, 3, lambda now, rung: False) == []
    sessions[0] = 2
    changes = drive(shared, 3, 30, lambda now, rung: rung == TOP)
    assert [rung for _, rung in changes] == [Rung(384, 30)], "what would not fit for both is not tried again"


def test_the_busy_share_is_that_of_the_last_two_seconds() -> None:
    busy = ladder()
    for step in range(180):
        busy.ran(step / 30, 0.03 if step < 90 else 0.01, 0.01)
    assert busy.busy_share == pytest.approx(0.3, abs=0.02)
