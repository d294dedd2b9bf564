"""Proves that offline rendering is the live path: frame-exact, repeatable, and honest about bad input."""

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK, DeterministicEngine

from streaming import offline
from streaming.errors import EngineFailure
from streaming.session import Settings

RECORDING = np.zeros(3 * 48_000, np.int16)
RECORDING[48_000:96_000] = (9_000 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 48_000)).astype(np.int16)


def test_frames_and_sound_match_the_recording() -> None:
    engine = DeterministicEngine()
    frames = list(offline.render(engine, RECORDING, Settings("ada", "calm")))
    assert [frame.index for frame in frames] == list(range(90))
    np.testing.assert_array_equal(np.concatenate([frame.samples for frame in frames]), RECORDING)
    speaking = [frame.index for frame in frames if frame.yuv[0, 0] > (DARK + BRIGHT) / 2]
    assert abs(speaking[0] - 30) <= 1 and abs(speaking[-1] - 59) <= 1
    assert engine.slots == {}


def test_the_result_is_the_same_every_time() -> None:
    one, two = (
        [frame.yuv.copy() for frame in offline.render(DeterministicEngine(), RECORDING, Settings("bob", "happy"))]
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


def test_a_recording_that_is_no_whole_number_of_frames_is_padded_with_silence() -> None:
    frames = list(offline.render(DeterministicEngine(), RECORDING[:2_000], Settings("ada", "calm")))
    assert len(frames) == 2 and len(frames[1].samples) == 1_600


def test_an_unknown_avatar_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        next(offline.render(DeterministicEngine(), RECORDING, Settings("nobody", "calm")))


def test_stopping_early_leaves_nothing_behind() -> None:
    engine = DeterministicEngine()
    frames = offline.render(engine, RECORDING, Settings("ada", "calm"))
    next(frames)
    frames.close()
    assert engine.slots == {}


def test_a_failing_engine_is_reported() -> None:
    engine = DeterministicEngine()
    engine.fail_next["decode"] = 1
    with pytest.raises(EngineFailure, match="decoder failed"):
        list(offline.render(engine, RECORDING, Settings("ada", "calm")))
