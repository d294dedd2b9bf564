"""Accuracy on labels whose scores can be counted by hand."""

import numpy as np
import pytest

from styletalk_core.lab.recognizer.accuracy import event_score, mean_accuracy, score
from styletalk_core.phones import INDEX


def ids(text: str) -> np.ndarray:
    return np.array([INDEX[name] for name in text.split()], np.uint8)


def test_frames_visemes_and_neighbours_are_counted() -> None:
    one = score(ids("P B AA SIL"), ids("P P AE AA"))
    assert one.strict == 0.25
    assert one.viseme == 0.75
    assert one.strict_within_one == 0.5
    assert one.viseme_within_one == 1.0 - 0.25


def test_a_closure_one_frame_off_counts_and_two_frames_off_does_not() -> None:
    reference = np.array([0, 0, 1, 1, 0, 0, 0, 0], bool)
    near = np.array([0, 1, 0, 0, 0, 0, 0, 0], bool)
    far = np.array([1, 0, 0, 0, 0, 0, 1, 0], bool)
    assert event_score(near, reference).recall == 1.0
    assert event_score(far, reference).recall == 0.0
    assert event_score(far, reference).precision == 0.0


def test_means_are_weighted_by_frames() -> None:
    right, wrong = score(ids("P"), ids("P")), score(ids("AA"), ids("P"))
    assert mean_accuracy([right, wrong], [3, 1])["strict"] == pytest.approx(0.75)
