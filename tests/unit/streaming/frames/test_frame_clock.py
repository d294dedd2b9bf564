"""Proves when frames start and are due, and which frame is next, on time and under load."""

from types import SimpleNamespace
from typing import Any

import pytest

from streaming.clock import MediaClock
from streaming.frames.frame_clock import FrameClock
from streaming.latency import LatencyPlan
from streaming.scheduling.overload import OverloadLadder
from streaming.scheduling.plan import Rung
from streaming.units import FRAME_TICKS, STEP_TICKS, TICK_RATE, Tick

PLAN = LatencyPlan(2_880)


class Scene:
    """A frame clock with stopped time."""

    def __init__(self, rate: int = 30) -> None:
        self.moment = 100.0
        self.clock = MediaClock(PLAN.delay, lambda: self.moment)
        self.clock.start(PLAN.preroll)
        worker: Any = SimpleNamespace(ladder=OverloadLadder([Rung(512, rate)]))
        self.grid = FrameClock(self.clock, PLAN, worker)


def test_frames_lie_on_the_clock() -> None:
    scene = Scene()
    frame_clock, tick = scene.grid, 7 * FRAME_TICKS
    assert frame_clock.due(tick + TICK_RATE) - frame_clock.due(tick) == pytest.approx(1)
    assert frame_clock.due(tick) - frame_clock.begin(tick) == pytest.approx(PLAN.budget / TICK_RATE)
    assert frame_clock.due(tick) - scene.clock.deadline(tick) == pytest.approx(PLAN.frame_lag / TICK_RATE)
    assert frame_clock.begin(0) >= scene.moment, "there is time to make the first picture"
    assert frame_clock.due_by(frame_clock.due(tick)) >= tick > frame_clock.due_by(frame_clock.due(tick) - 0.002)


@pytest.mark.parametrize("rate", [30, 20, 15, 10])
def test_with_time_enough_frames_are_evenly_spaced(rate: int) -> None:
    scene, tick = Scene(rate), -TICK_RATE // rate
    for number in range(30):
        tick = scene.grid.next(tick, 0.02)
        assert tick == number * TICK_RATE // rate
        scene.moment = scene.grid.begin(tick) + 0.02


def test_without_time_the_next_frame_is_the_one_that_will_be_due_when_it_is_ready() -> None:
    scene = Scene()
    scene.moment = scene.grid.due(20 * FRAME_TICKS)
    tick = scene.grid.next(18 * FRAME_TICKS, 0.04)
    assert tick % STEP_TICKS == 0
    assert scene.grid.due(tick) - scene.moment == pytest.approx(0.04, abs=STEP_TICKS / 2 / TICK_RATE)
    assert scene.grid.next(18 * FRAME_TICKS, 9.0) == scene.grid.next(18 * FRAME_TICKS, 0.045), "less than the budget"
    scene.moment = scene.grid.begin(20 * FRAME_TICKS)
    assert scene.grid.next(19 * FRAME_TICKS, 9.0) == 20 * FRAME_TICKS, "what is begun in time has its chance"


def test_a_longer_delay_gives_every_frame_more_time() -> None:
    scene = Scene()
    begin: Tick = 20 * FRAME_TICKS
    before = scene.grid.begin(begin)
    scene.clock.delay += 480
    assert scene.grid.begin(begin) == pytest.approx(before), "begun with the same knowledge"
    assert scene.grid.due(begin) - scene.grid.begin(begin) == pytest.approx((PLAN.budget + 480) / TICK_RATE)
