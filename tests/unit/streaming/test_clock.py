"""Proves that the media clock maps ticks to times exactly, waits for them and changes only by slips."""

import asyncio

import pytest

from streaming.clock import MediaClock
from streaming.virtual_time import VirtualTimeLoop


def test_tick_zero_is_due_after_the_preroll_and_was_captured_d_before() -> None:
    clock = MediaClock(delay=9_600, now=lambda: 100.0)
    clock.start(preroll=480)
    assert clock.deadline(0) == pytest.approx(100.01)
    assert clock.capture_tick() == 9_600 - 480
    assert clock.deadline(48_000) - clock.deadline(0) == pytest.approx(1.0)


def test_a_slip_moves_everything_later_by_the_same_amount() -> None:
    clock = MediaClock(delay=960, now=lambda: 0.0)
    clock.start()
    before = clock.deadline(12_345)
    clock.slip(480)
    assert clock.deadline(12_345) - before == pytest.approx(0.01)
    assert clock.slipped == 480


def test_an_unstarted_clock_says_so() -> None:
    with pytest.raises(RuntimeError, match="started"):
        _ = MediaClock(delay=0).anchor


def test_waiting_takes_exactly_as_long_as_it_must_and_nothing_when_late() -> None:
    async def wait() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        clock = MediaClock(delay=0, now=loop.time)
        clock.start()
        await clock.wait_until(clock.deadline(48_000))
        first = loop.time()
        await clock.wait_until(clock.deadline(0))
        return first, loop.time()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        first, second = runner.run(wait())
    assert first == pytest.approx(1.0, abs=0.0006)
    assert second == first


def test_two_hours_of_packets_do_not_drift() -> None:
    clock = MediaClock(delay=10_000, now=lambda: 1_000.0)
    clock.start()
    packets = 2 * 3_600 * 50
    assert clock.deadline(packets * 960) - clock.deadline(0) == pytest.approx(7_200, abs=1e-9)
