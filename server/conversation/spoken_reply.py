"""Spoken reply: text as a language model writes it becomes one utterance of the face, sentence by sentence.

Runs on: event loop. It remembers where every sentence lies in the utterance, so that an interruption tells which words
were heard.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from server.tts.sentence_speech import speak
from server.tts.spoken_text import SpokenSentence, TextStream
from server.tts.voice import Voice
from streaming.speaker import Speaker
from streaming.speech_queue import Utterance
from streaming.units import TICK_RATE, Tick

CHARACTERS_PER_SECOND: Final = 15
"""Of speech; for a sentence that is cut off while it is being synthesized."""
MAX_CHARACTERS: Final = 8_000
"""Of one reply; the rest of a longer one is not spoken."""


@dataclass(slots=True)
class _Span:
    """Ticks of the utterance that speak a sentence; ``end`` None while it is being synthesized."""

    text: str
    start: Tick
    end: Tick | None = None

    def heard(self, played: Tick) -> str:
        """Return the words heard when ``played`` ticks of the utterance were."""
        if self.end is not None and played >= self.end:
            return self.text
        return words_heard(self.text, played - self.start, None if self.end is None else self.end - self.start)


def words_heard(text: str, played: Tick, length: Tick | None = None) -> str:
    """Return the words of a text that were heard when ``played`` ticks of its ``length`` were.

    Args:
        length: None while it is not known: then of speech at an ordinary rate.
    """
    words = text.split()
    usual = len(text) * TICK_RATE // CHARACTERS_PER_SECOND
    return " ".join(words[: max(0, played) * len(words) // max(usual if length is None else length, 1)])


class SpokenReply:
    """One reply.

    Args:
        speaker: of the face.
        voice: reads it aloud.
    """

    def __init__(self, speaker: Speaker, voice: Voice) -> None:
        self.utterance: Utterance | None = None
        """From the first sentence on."""
        self._speaker = speaker
        self._voice = voice
        self._stream = TextStream()
        self._room = MAX_CHARACTERS
        self._sentences: asyncio.Queue[SpokenSentence | None] = asyncio.Queue()
        self._spans: list[_Span] = []

    def append(self, text: str) -> None:
        """Takes the next piece of text."""
        text, self._room = text[: self._room], max(0, self._room - len(text))
        self._queue(self._stream.append(text))

    def finish(self, whole: bool = True) -> None:
        """The text has ended; a sentence that is not complete is spoken only if it is ``whole``."""
        if whole:
            self._queue(self._stream.finish())
        self._sentences.put_nowait(None)

    async def speak(self) -> None:
        """Speaks sentence by sentence until the text has ended.

        Raises:
            VoiceFailed: the voice failed.
        """
        try:
            while (sentence := await self._sentences.get()) is not None:
                self.utterance = self.utterance or self._speaker.open()
                span = _Span(sentence.text, self.utterance.length)
                self._spans.append(span)
                await speak(self._speaker, self.utterance, sentence, self._voice)
                span.end = self.utterance.length
        finally:
            if self.utterance is not None:
                self._speaker.close(self.utterance)

    def heard(self, played: Tick) -> str:
        """Return the words of the first ``played`` ticks of the utterance."""
        return " ".join(filter(None, (span.heard(played) for span in self._spans)))

    def _queue(self, sentences: list[SpokenSentence]) -> None:
        for sentence in sentences:
            self._sentences.put_nowait(sentence)
