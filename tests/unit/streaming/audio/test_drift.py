"""Proves that playback follows the microphone's clock by small slips in silence, and ignores jitter."""

import numpy as np
import pytest

from streaming.audio.drift import MAX_SLIP_TICKS, DriftFollower
from streaming.units import PACKET_TICKS


def follow(lateness: np.ndarray, quiet: bool = True) -> tuple[list[int], np.ndarray]:
    """Feeds packets whose lateness a slip reduces; returns the slips and what was left of the lateness."""
    follower = DriftFollower(PACKET_TICKS)
    slips, left, moved = [], [], 0
    for value in lateness:
        remaining = round(value) - moved
        left.append(remaining)
        if slip := follower.arrived(remaining, quiet):
            slips.append(slip)
            moved += slip
    return slips, np.array(left)


@pytest.mark.parametrize("ppm", [-300, 0, 50])
def test_two_hours_of_drift_never_leave_more_than_ten_milliseconds(ppm: int) -> None:
    packets = np.arange(2 * 3_600 * 50)
    jitter = np.random.default_rng(0).exponential(60, len(packets))
    slips, left = follow(packets * PACKET_TICKS * ppm / 1e6 + jitter)
    windows = left[: len(left) // 100 * 100].reshape(-1, 100).min(axis=1)
    assert abs(windows).max() < 480
    assert all(abs(slip) <= MAX_SLIP_TICKS for slip in slips[1:])
    assert bool(slips) == bool(ppm)


def test_jitter_within_the_allowance_moves_nothing() -> None:
    jitter = np.random.default_rng(0).exponential(150, 5_000)
    assert follow(jitter)[0] == []


def test_nothing_slips_while_there_is_speech_unless_it_is_urgent() -> None:
    assert follow(np.full(2_000, 600.0), quiet=False)[0] == []
    assert follow(np.full(2_000, 3_000.0), quiet=False)[0] != []


def test_an_opening_burst_is_caught_up_with_at_once() -> None:
    slips, left = follow(np.full(300, -5_000.0))
    assert slips == [-5_000] and abs(left[-1]) < 10


def test_a_path_that_became_longer_for_good_is_followed_within_seconds() -> None:
    slips, left = follow(np.concatenate([np.zeros(500), np.full(700, 9_000.0)]))
    assert max(slips) <= 9_600 and abs(left[-1]) < 300


def test_a_single_stall_moves_playback_by_a_packet_at_most_and_only_for_a_while() -> None:
    stall = np.zeros(1_000)
    stall[430:450] = np.linspace(20_000, 0, 20)
    slips, left = follow(stall)
    assert max(slips, default=0) <= PACKET_TICKS
    assert abs(left[-1]) <= 240
