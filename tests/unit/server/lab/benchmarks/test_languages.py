"""Proves that told phones lie on the frames of a session, and that every symbol of the sentences is known."""

import asyncio

import numpy as np
import pytest

from server.lab.benchmarks.language_sentences import SENTENCES
from server.lab.benchmarks.languages import Utterance, accuracy, utterance
from server.tts import espeak_program
from server.tts.installed import InstalledVoice
from server.tts.voice import VoicePiece
from streaming.media import TimedPhone
from streaming.units import FRAME_TICKS, SILENCE, TICK_RATE
from styletalk_core.phones import INDEX, PHONES
from styletalk_core.recognizer.stream import Recognizer, RecognizerStream

KNOWN = 0.97
"""Share of a sentence whose phones are told; the rest are glottal stops."""


def test_frames_take_the_phone_at_their_centre_and_silence_is_recognized_in_silence() -> None:
    phones = (TimedPhone(0, 10 * FRAME_TICKS, SILENCE), TimedPhone(10 * FRAME_TICKS, 20 * FRAME_TICKS, INDEX["M"]))
    one = utterance(VoicePiece(np.zeros(TICK_RATE, np.int16), phones), RecognizerStream(Recognizer.load()))
    assert one.told.shape == one.recognized.shape == (30, len(PHONES))
    assert [PHONES[phone] for phone in one.told.argmax(axis=1)] == [*["SIL"] * 10, *["M"] * 10, *["SIL"] * 10]
    assert (one.recognized.argmax(axis=1) == SILENCE).all()
    assert one.spoken == slice(10, 20)


def test_accuracy_counts_spoken_frames_and_every_closure_once() -> None:
    told = np.eye(len(PHONES), dtype=np.float32)[[SILENCE, INDEX["M"], INDEX["AA"], INDEX["P"], SILENCE]]
    half = told.copy()
    half[1:3] = told[[0, 0]]
    figures = accuracy([Utterance(told, told), Utterance(told, half)])
    assert figures["strict"] == pytest.approx(4 / 6, abs=1e-4) and figures["closure_precision"] == 1.0


@pytest.mark.parametrize("language", SENTENCES)
def test_the_symbols_of_every_language_are_known(language: str) -> None:
    if not InstalledVoice.found("espeak-ng") or espeak_program.load() is None:
        pytest.skip("espeak-ng or its library is not installed")

    async def speak(text: str) -> VoicePiece:
        return await anext(InstalledVoice("espeak-ng", voice).speak(text))

    voice, texts = SENTENCES[language]
    piece = asyncio.run(speak(" ".join(texts)))
    assert sum(phone.end - phone.start for phone in piece.phones) > KNOWN * len(piece.samples)
    said = {PHONES[phone.phone] for phone in piece.phones}
    assert {"P", "M"} <= said and len(said) > 15
