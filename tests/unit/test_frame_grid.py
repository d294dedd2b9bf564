"""Proves when frames are begun and due, and that overload leaves out every other one."""

from streaming.clock import MediaClock
from streaming.frame_grid import FrameGrid
from streaming.latency import LatencyPlan
from streaming.media import FRAME_TICKS, TICK_RATE


class Worker:
    level = 0


def test_frames_lie_on_the_clock_and_half_of_them_are_left_out_under_overload() -> None:
    moment, plan, worker = 100.0, LatencyPlan(2_880), Worker()
    clock = MediaClock(plan.delay, lambda: moment)
    clock.start(plan.preroll)
    grid = FrameGrid(clock, plan, worker)  # type: ignore[arg-type]
    assert abs(grid.due(30) - grid.due(0) - 1) < 1e-9
    assert abs(grid.due(7) - grid.begin(7) - plan.budget / TICK_RATE) < 1e-9
    assert abs(grid.due(7) - clock.deadline(7 * FRAME_TICKS) - plan.picture_lag / TICK_RATE) < 1e-9
    assert grid.begin(0) >= moment, "there is time to make the first picture"
    moment = grid.due(12) + 0.001
    assert grid.newest() == 12
    moment = grid.due(20) - 0.011
    assert (grid.next(0.01), grid.next(0.012), grid.next(9.0)) == (20, 21, 22)
    moment = grid.begin(20)
    assert grid.next(9.0) == 20, "a frame that is begun when it should be always has its chance"
    assert not any(grid.leaves_out(index) for index in range(10))
    worker.level = 1
    assert [index for index in range(6) if not grid.leaves_out(index)] == [0, 2, 4]
