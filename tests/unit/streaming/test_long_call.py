"""Proves in virtual time that a call does not change with its age: delay, order, frame rate and memory stay.

Eight minutes here, with the load in the sixth; `make soak` runs eight hours.
"""

import pytest
from long_call import long_call

MINUTES = 8


@pytest.mark.slow
def test_a_call_stays_as_it_was_through_drift_loss_load_and_changes() -> None:
    parts = list(long_call(MINUTES * 60, MINUTES))
    assert not [line for part in parts for line in part.irregular]
    assert all(part.packets in range(2_990, 3_011) for part in parts)
    assert max(part.max_lag_ms for part in parts) < 10, "the session follows the microphone's clock"
    assert sum(part.slips for part in parts) >= MINUTES - 1
    assert max(part.max_frame_interval_ms for part in parts) < 100
    assert sum(part.styles for part in parts) == 5
    calm = [part for part in parts if part.seconds_without_load > 50]
    assert len(calm) == MINUTES - 2
    assert all(part.frames_without_load > 29.5 * part.seconds_without_load for part in calm)
    assert parts[-1].max_delay_ms == parts[0].max_delay_ms < parts[5].max_delay_ms, "the delay shrinks after the load"
    assert parts[-1].memory_mb - parts[1].memory_mb < 2
