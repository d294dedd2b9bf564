"""Proves where turns begin and end, however the audio is cut, and that noise is no turn."""

from pathlib import Path

import numpy as np
import pytest

from server.conversation.turn_detector import END_WINDOWS, WINDOW_TICKS, TurnDetector
from server.conversation.turns import TurnAudio, TurnEnded, TurnStarted
from styletalk_core.audio import read_audio
from styletalk_core.recognizer.vad import VoiceDetector

SPEECH = Path(__file__).parents[3] / "data/speech/two_sentences.flac"
RATE = 48_000
SENTENCES = ((0.26, 4.98), (6.83, 12.1))
"""Where the recording has speech, in seconds."""


@pytest.fixture(scope="module")
def detector() -> VoiceDetector:
    return VoiceDetector()


def turns(detector: VoiceDetector, samples: np.ndarray, piece: int) -> list[tuple[str, float]]:
    """Beginnings and ends of turns with the seconds at which they were known."""
    found, turn_detector = list[tuple[str, float]](), TurnDetector(detector)
    for start in range(0, len(samples), piece):
        for event in turn_detector.push(samples[start : start + piece]):
            if not isinstance(event, TurnAudio):
                found.append((type(event).__name__, (start + piece) / RATE))
    return found


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    samples = (read_audio(SPEECH, RATE) * 32_767).astype(np.int16)
    return np.concatenate([samples, np.zeros(RATE, np.int16)])


def test_two_sentences_are_two_turns_noticed_within_130_ms_and_ended_within_500(
    detector: VoiceDetector, speech: np.ndarray
) -> None:
    found = turns(detector, speech, 960)
    assert [name for name, _ in found] == ["TurnStarted", "TurnEnded"] * 2
    moments = [moment for _, moment in found]
    for (begin, end), started, ended in zip(SENTENCES, moments[::2], moments[1::2], strict=True):
        assert 0 < started - begin < 0.13
        assert END_WINDOWS * WINDOW_TICKS / RATE - 0.02 < ended - end < 0.5


def test_a_turn_holds_its_first_sound_and_does_not_depend_on_how_the_audio_is_cut(
    detector: VoiceDetector, speech: np.ndarray
) -> None:
    def heard(piece: int) -> np.ndarray:
        turn_detector = TurnDetector(detector)
        events = [event for k in range(0, 3 * RATE, piece) for event in turn_detector.push(speech[k : k + piece])]
        assert isinstance(events[0], TurnStarted) and not any(isinstance(event, TurnEnded) for event in events)
        return np.concatenate([event.samples for event in events if isinstance(event, TurnAudio)])[:RATE]

    whole = heard(960)
    np.testing.assert_array_equal(whole, heard(1_001))
    assert np.abs(whole[:2_400]).max() < 800  # it begins in the silence before


def test_noise_and_clicks_are_no_turn(detector: VoiceDetector) -> None:
    random = np.random.default_rng(0)
    noise = (300 * random.standard_normal(3 * RATE)).astype(np.int16)
    noise[RATE : RATE + 480] = 20_000
    assert turns(detector, noise, 960) == []
