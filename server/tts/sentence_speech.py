"""One sentence through a voice into a speaker's queue.

Runs on: event loop.
"""

from contextlib import aclosing

from server.tts.spoken_text import SpokenSentence
from server.tts.voice import Voice
from streaming.speaker import Speaker
from streaming.speech_queue import Sentence, Utterance
from streaming.units import TICK_RATE

PIECE_TICKS = TICK_RATE
"""Synthesized audio is queued in pieces of this length, so that a small free space is enough to continue."""


async def speak(speaker: Speaker, utterance: Utterance, sentence: SpokenSentence, voice: Voice) -> None:
    """Append a sentence to an utterance, with a mark where it begins; nothing when the utterance was interrupted.

    Raises:
        VoiceFailed: it cannot be spoken.
    """
    if utterance.closed:
        return
    speaker.mark(utterance, Sentence(sentence.text))
    async with aclosing(voice.speak(sentence.words)) as pieces:
        async for piece in pieces:
            for part in piece.parts(PIECE_TICKS):
                await speaker.wait_for_room(len(part.samples))
                if utterance.closed:
                    return
                speaker.append(utterance, part.samples, part.phones)
