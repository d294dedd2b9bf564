"""Partner that is one model: it hears speech and answers with speech.

Runs on: event loop. The person's turns are detected here, so that an interruption does not wait for the model.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from server.conversation.chat_model import ToolCall
from server.conversation.partner import Face, Heard, PartnerFailed, Replied
from server.conversation.spoken_reply import words_heard
from server.conversation.style_tool import use_style_tool
from server.tts.endpoint import EndpointFailed
from streaming.avatar.audio_input import AudioInput
from streaming.speaker import Interruption, Speaker, SpokenEvent, UtteranceEnded
from streaming.speech_queue import Utterance
from streaming.units import TICK_RATE, Tick

SPEECH_RATE: Final = 24_000
"""Of the audio that goes to a model and comes from it, in Hz."""
MAX_ROUNDS: Final = 3
"""Answers of the model in one turn, each but the first after it has called tools."""

Piece = bytes | str | ToolCall | Heard
"""Of an answer: 16-bit PCM at 24 kHz, its words, a tool that is called, or the words of the person."""


class SpeechToSpeech(Protocol):
    """A model that hears speech and answers with speech; it keeps the history itself."""

    def begin(self) -> None:
        """The person begins a turn; audio that was not answered is forgotten."""

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Takes audio of the turn, (n,) int16 mono 48 kHz, n a multiple of 6."""

    def reply(self) -> AsyncGenerator[Piece, None]:
        """Answers the turn, or goes on after `result`.

        Raises:
            EndpointFailed: there is no answer, or only its beginning.
        """

    def result(self, call: ToolCall, text: str) -> None:
        """Tells the model what a tool has returned."""

    def truncate(self, played_ms: int) -> None:
        """The last answer was cut off when this much of it was heard."""

    async def aclose(self) -> None:
        """Ends the connection."""


class SpeechPartner:
    """Implements `Partner`.

    Args:
        model: hears and answers.
        speaker: of the face.
        face: whose style the model may choose.
        on_event: called with what was heard on both sides.
    """

    def __init__(
        self,
        model: SpeechToSpeech,
        speaker: Speaker,
        face: Face,
        on_event: Callable[[Heard | Replied], None],
    ) -> None:
        self._model = model
        self._speaker = speaker
        self._face = face
        self._on_event = on_event
        self._utterance: Utterance | None = None
        self._words = ""
        self._answering = False
        self._over = asyncio.Event()

    def begin(self) -> None:
        """Begins a turn."""
        self._model.begin()

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Passes the turn on as it is spoken."""
        self._model.hear(samples)

    async def answer(self) -> None:
        """Lets the model answer."""
        self._utterance, self._words, self._answering = None, "", True
        self._over.clear()
        audio, failure = AudioInput(self._speaker), None
        try:
            for _ in range(MAX_ROUNDS):
                if not await self._round(audio):
                    break
        except EndpointFailed as error:
            failure = error
        finally:
            audio.commit()
        if self._utterance is not None:
            await self._over.wait()
        self._answering = False
        self._on_event(Replied(self._words.strip(), whole=True))
        if failure is not None:
            raise PartnerFailed(str(failure)) from failure

    async def _round(self, audio: AudioInput) -> bool:
        """Speaks one answer of the model; true when it is to go on because a tool was called."""
        called = False
        async with aclosing(self._model.reply()) as pieces:
            async for piece in pieces:
                match piece:
                    case bytes():
                        await self._speaker.wait_for_room(len(piece) * TICK_RATE // SPEECH_RATE)
                        self._utterance = audio.push(piece, SPEECH_RATE) or self._utterance
                    case str():
                        self._words += piece
                    case Heard():
                        self._on_event(piece)
                    case ToolCall():
                        self._model.result(piece, await use_style_tool(self._face, piece))
                        called = True
        return called and self._utterance is None

    def spoken(self, event: SpokenEvent) -> None:
        """Notices the end of the answer."""
        if isinstance(event, UtteranceEnded) and self._utterance and event.utterance == self._utterance.id:
            self._over.set()

    def interrupted(self, interruption: Interruption) -> None:
        """Tells the model what was heard."""
        if not self._answering:
            return
        self._answering = False
        ours = self._utterance is not None and interruption.utterance == self._utterance.id
        played: Tick = interruption.played if ours else 0
        self._model.truncate(played * 1000 // TICK_RATE)
        self._on_event(Replied(words_heard(self._words, played), whole=False))

    async def aclose(self) -> None:
        """Ends the connection."""
        await self._model.aclose()
