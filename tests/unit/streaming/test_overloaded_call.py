"""Proves in virtual time what a viewer sees when the machine becomes too slow, and that the audio stays exact."""

import random

import numpy as np
import pytest
from virtual_machine import COSTS, VirtualCall, call, speech

from streaming.frames.elastic_delay import MAX_ADDED_DELAY_TICKS
from streaming.scheduling.jobs import JobKind
from streaming.scheduling.plan import Rung
from streaming.units import STEP_TICKS, TICK_RATE

BEGIN, END = 5.0, 20.0
FULL = Rung(512, 30)


def loaded(times: float) -> VirtualCall:
    """A call of 30 s on a machine that is so many times slower from `BEGIN` to `END`."""

    def slowness(now: float, kind: JobKind) -> float:
        return times if BEGIN <= now < END else 1.0

    return call(30, slowness, spare=lambda now: 0.1 if BEGIN <= now < END else 1.2)


def sound_is_exact(made: VirtualCall) -> None:
    """Every sample once and in order, evenly but for the steps of the delay."""
    samples = speech(30)
    played = np.concatenate([chunk.samples for _, chunk in made.sound])
    first = int(np.flatnonzero(played)[0])
    whole = min(len(samples), len(played) - first)
    assert whole > 29 * 48_000
    np.testing.assert_array_equal(played[first : first + whole], samples[:whole])
    assert [chunk.start for _, chunk in made.sound] == list(range(0, 960 * len(made.sound), 960))
    assert made.session.stats.concealed == made.session.stats.slips == 0


@pytest.mark.parametrize("times", [2.0, 3.0, 4.0])
def test_a_machine_that_becomes_slower_shows_fewer_frames_evenly_and_recovers(times: float) -> None:
    made = loaded(times)
    assert made.rate(1, BEGIN) == pytest.approx(30, abs=0.5)
    settled = made.intervals(BEGIN + 4, END)
    assert made.rate(BEGIN, END) > 25 and made.rate(BEGIN + 4, END) > 29
    assert np.percentile(settled, 95) < 0.05
    assert made.intervals(1, 30).max() < 0.15, "no freeze"
    assert np.abs([late for _, _, late in made.between(BEGIN + 4, END)]).max() < 0.045, "sound and picture together"
    assert made.rungs[-1][1] == FULL and made.rungs[-1][0] < END + 5
    assert made.rate(END + 5, 30) == pytest.approx(30, abs=0.5)
    sound_is_exact(made)


def test_the_delay_grows_first_then_frames_become_smaller_and_it_shrinks_again() -> None:
    made = loaded(2.0)
    grown = next(moment for moment, delay in made.delays if delay > made.session.plan.delay)
    smaller = next(moment for moment, rung in made.rungs if rung.size < 512)
    assert BEGIN < grown < BEGIN + 1 and grown < smaller < BEGIN + 5
    steps = np.diff([delay for _, delay in made.delays])
    assert set(steps[steps > 0]) == {480}
    seen = made.session.stats.delay
    assert seen.first == seen.last == made.session.plan.delay < seen.largest <= seen.first + MAX_ADDED_DELAY_TICKS
    assert made.session.stats.size_changes == 2
    sizes = [frame.yuv.shape[1] for _, frame, _ in made.pictures]
    assert sizes[0] == sizes[-1] == 512 and 384 in sizes


def test_where_the_smallest_frames_are_too_much_there_are_fewer_evenly() -> None:
    made = loaded(6.0)
    assert [rung for _, rung in made.rungs][:2] == [FULL, Rung(256, 15)]
    settled = made.between(BEGIN + 4, END)
    intervals = np.diff([moment for moment, _, _ in settled])
    assert np.percentile(np.abs(intervals - 1 / 15), 95) < 0.0011 and np.abs(intervals - 1 / 15).max() < 0.031
    assert set(np.diff([frame.tick for _, frame, _ in settled])) == {3_200}
    assert made.rungs[-1][1] == FULL and made.rungs[-1][0] < END + 5
    sound_is_exact(made)


def test_twenty_frames_a_second_are_fifty_milliseconds_apart() -> None:
    made = call(12, lambda now, kind: 4.6)
    settled = made.between(6, 12)
    assert {rung for moment, rung in made.rungs if moment > 3} <= {Rung(256, 20)}
    assert set(np.diff([frame.tick for _, frame, _ in settled])) == {2_400}
    intervals = np.diff([moment for moment, _, _ in settled])
    assert np.median(intervals) == pytest.approx(0.05, abs=0.0011)
    np.testing.assert_allclose(intervals, 0.05, atol=0.0111)  # but for steps of the delay


def test_a_clock_that_falls_in_mid_call_walks_down_without_a_freeze() -> None:
    made = call(20, lambda now, kind: float(np.interp(now, [5, 8], [1, 3])))
    assert made.intervals(1, 20).max() < 0.15
    assert made.rate(10, 20) > 29
    sizes = [rung.size for _, rung in made.rungs]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 512


def test_a_stall_costs_a_moment_and_changes_nothing() -> None:
    pending = [60.0]

    def slowness(now: float, kind: JobKind) -> float:
        return pending.pop() if now >= 5 and pending and kind is JobKind.RENDER else 1.0

    made = call(20, slowness)
    assert [rung for _, rung in made.rungs] == [FULL] and made.session.stats.delay.largest == made.session.plan.delay
    assert made.intervals(1, 20).max() < 60 * COSTS.render[512] + 0.05
    assert made.rate(7, 20) == pytest.approx(30, abs=0.3)


@pytest.mark.parametrize("seed", range(3))
def test_random_preemption_costs_some_delay_but_hardly_a_frame(seed: int) -> None:
    chance = random.Random(seed)
    made = call(30, lambda now, kind: 3.0 if chance.random() < 0.2 else 1.0)
    assert {rung for _, rung in made.rungs} == {FULL}
    assert made.rate(5, 30) > 28.5
    assert np.percentile(made.intervals(5, 30), 95) < 0.06
    assert made.session.stats.delay.last < made.session.stats.delay.first + 60 * TICK_RATE // 1000


def test_frames_begin_on_steps_and_never_go_back() -> None:
    ticks = np.array([frame.tick for _, frame, _ in loaded(4.0).pictures])
    assert (ticks % STEP_TICKS == 0).all() and (np.diff(ticks) > 0).all()


def test_slow_encoding_makes_frames_smaller() -> None:
    made = call(20, lambda now, kind: 1.0, encoding=10.0)
    assert made.rungs[-1][1] == Rung(384, 30)
    assert made.rate(5, 20) > 29
