"""Proves that the delay D is the sum of named parts and covers the look-aheads in the worst case."""

import pytest

from streaming.audio.phone_timeline import first_frame_from
from streaming.latency import LatencyPlan
from streaming.units import FRAME_TICKS, HOP_TICKS, PACKET_TICKS


@pytest.mark.parametrize("future_frames", range(6))
def test_the_parts_add_up_to_d_and_the_lag_of_the_frame(future_frames: int) -> None:
    plan = LatencyPlan(recognizer=2_880, future_frames=future_frames)
    assert 0 <= (plan.delay + plan.frame_lag) / 48 - sum(plan.parts().values()) < 1.1


def test_frames_that_a_renderer_waits_for_are_part_of_d() -> None:
    without, waiting = (LatencyPlan(recognizer=2_880, renderer_frames=frames) for frames in (0, 13))
    assert waiting.delay - without.delay == pytest.approx(13 * FRAME_TICKS, abs=48)
    assert sum(waiting.parts().values()) - sum(without.parts().values()) == pytest.approx(13 / 30 * 1000, abs=0.2)


@pytest.mark.parametrize("phase", range(0, PACKET_TICKS, 96))
def test_the_last_future_column_is_out_before_decoding_begins(phase: int) -> None:
    plan = LatencyPlan(recognizer=2_880, future_frames=3)
    for index in range(200):
        frame = index + plan.future_frames
        hop = next(h for h in range(10_000) if first_frame_from(phase + (h + 1) * HOP_TICKS) > frame * FRAME_TICKS)
        packet_end = phase + hop * HOP_TICKS + plan.recognizer
        decoding_begins = index * FRAME_TICKS + plan.delay + plan.frame_lag - plan.budget
        assert packet_end + plan.receive <= decoding_begins


def test_more_context_than_the_window_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="future_frames"):
        LatencyPlan(recognizer=0, future_frames=6)
