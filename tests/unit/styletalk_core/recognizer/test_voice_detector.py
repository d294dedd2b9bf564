"""The compiled speech detector equals silero-vad in ONNX Runtime."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from styletalk_core.audio import read_audio
from styletalk_core.recognizer.vad import CONTEXT, WINDOW, GateState, VoiceDetector

SPEECH = Path(__file__).parents[3] / "data" / "speech" / "two_sentences.flac"


def original(windows: np.ndarray) -> list[float]:
    """Probabilities of speech in successive windows (n, 576)."""
    package = find_spec("silero_vad")
    assert package is not None and package.submodule_search_locations
    session = onnxruntime.InferenceSession(Path(package.submodule_search_locations[0]) / "data" / "silero_vad.onnx")
    memory, heard = np.zeros((2, 1, 128), np.float32), []
    for window in windows:
        probability, memory = session.run(None, {"input": window[None], "state": memory, "sr": np.array(16_000)})
        heard.append(float(probability[0, 0]))
    return heard


def test_the_probabilities_are_those_of_the_original() -> None:
    noise = np.random.default_rng(0).normal(scale=0.05, size=32_000).astype(np.float32)
    audio = np.concatenate([np.zeros(CONTEXT, np.float32), read_audio(SPEECH)[: 8 * 16_000], noise])
    windows = np.lib.stride_tricks.sliding_window_view(audio, CONTEXT + WINDOW)[::WINDOW]
    detector, memory = VoiceDetector(), np.zeros((2, 128), np.float32)
    probabilities = [detector.hear(np.ascontiguousarray(window), memory) for window in windows]
    expected = original(windows)
    assert min(expected) < 0.05 and max(expected) > 0.95
    assert probabilities == pytest.approx(expected, abs=1e-5)


def test_the_gate_does_not_depend_on_the_pieces_of_audio() -> None:
    audio, detector = read_audio(SPEECH)[: 3 * 16_000], VoiceDetector()
    first, second = GateState(), GateState()
    for start in range(0, len(audio), 480):
        detector.advance([first], audio[None, start : start + 480])
        for part in (slice(start, start + 100), slice(start + 100, start + 480)):
            detector.advance([second], audio[None, part])
        assert first.open == second.open
    np.testing.assert_array_equal(first.memory, second.memory)
