"""Conversation: a person and a face take turns, and the person may interrupt.

Runs on: event loop; turn detection on a thread of the server. While the person speaks, the face listens; a turn that
begins while the partner answers silences it with the next packet. A failure is told in a sentence, and the face waits
for the next turn.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from server.conversation.partner import Face, Heard, Partner, PartnerFailed, Replied
from server.conversation.turns import TurnAudio, TurnEnded, TurnEvent, TurnStarted
from streaming.media import AudioChunk
from streaming.queues import BoundedQueue, OnFull
from streaming.speaker import Interruption, MarkReached, SpokenEvent, UtteranceStarted
from streaming.speech_queue import Sentence
from streaming.units import TICK_RATE, Tick

if TYPE_CHECKING:
    from server.conversation.turn_detector import TurnDetector

logger = logging.getLogger(__name__)

PACKETS_HELD = 250
MAX_FILL_TICKS: Tick = TICK_RATE // 2
"""Lost audio up to this length is silence; after a longer loss the rest follows at once."""


class State(Enum):
    """Who does what; the value is its name in messages."""

    LISTENING = "listening"
    """Nobody speaks: the face waits for the person."""
    HEARING = "hearing"
    """The person speaks."""
    THINKING = "thinking"
    """The partner prepares its answer."""
    SPEAKING = "speaking"
    """The partner speaks."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer failed; ``sentence`` says why."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of the answer begins with ``frame``."""

    text: str
    frame: int
    utterance: int


ConversationEvent = State | Heard | Replied | Said | Failed
OnThread = Callable[[Callable[[], list[TurnEvent]]], Awaitable[list[TurnEvent]]]
"""Runs turn detection on its thread."""


class Conversation:
    """Conversation of one person.

    Args:
        partner: answers.
        face: speaks for the partner.
        turns: of the person.
        on_thread: runs turn detection.
        on_event: called with every `ConversationEvent` but those of the partner.
    """

    def __init__(
        self,
        partner: Partner,
        face: Face,
        turns: "TurnDetector",
        on_thread: OnThread,
        on_event: Callable[[ConversationEvent], None],
    ) -> None:
        self._partner = partner
        self._face = face
        self._turns = turns
        self._on_thread = on_thread
        self._on_event = on_event
        self._audio: BoundedQueue[AudioChunk] = BoundedQueue("conversation audio", PACKETS_HELD, OnFull.DROP_OLDEST)
        self._heard_until: Tick | None = None
        self._answering: asyncio.Task[None] | None = None
        self._ended: set[asyncio.Task[None]] = set()
        self._state = State.LISTENING

    def hear(self, chunk: AudioChunk) -> None:
        """Takes audio of the person's microphone, in order."""
        self._audio.offer(chunk)

    def spoken(self, event: SpokenEvent) -> None:
        """Something that the face speaks has been heard."""
        if isinstance(event, UtteranceStarted) and self._answering is not None:
            self._enter(State.SPEAKING)
        if isinstance(event, MarkReached) and isinstance(event.mark, Sentence):
            self._on_event(Said(event.mark.text, event.frame, event.utterance))
        self._partner.spoken(event)

    def interrupt(self) -> Interruption:
        """Silences the face with the next packet; the partner stops answering and remembers what was heard."""
        interruption = self._face.interrupt()
        answering, self._answering = self._answering, None
        if answering is not None:
            answering.cancel()
            self._partner.interrupted(interruption)
            self._enter(State.LISTENING)
        return interruption

    async def run(self) -> None:
        """Converses until it is cancelled."""
        try:
            while True:
                chunks = [await self._audio.get(), *self._audio.drain()]
                samples = np.concatenate([self._filled(chunk) for chunk in chunks])
                for event in await self._on_thread(lambda heard=samples: self._turns.push(heard)):  # type: ignore[misc]
                    self._take(event)
        finally:
            self.interrupt()
            await asyncio.gather(*self._ended, return_exceptions=True)
            await self._partner.aclose()

    def _filled(self, chunk: AudioChunk) -> NDArray[np.int16]:
        """Return the samples of a chunk after the silence of a loss before it."""
        gap = 0 if self._heard_until is None else chunk.start - self._heard_until
        self._heard_until = chunk.end
        return np.concatenate([np.zeros(min(max(gap, 0), MAX_FILL_TICKS), np.int16), chunk.samples])

    def _take(self, event: TurnEvent) -> None:
        match event:
            case TurnStarted():
                if self._answering is not None:
                    self.interrupt()
                self._partner.begin()
                self._enter(State.HEARING)
            case TurnAudio():
                self._partner.hear(event.samples)
            case TurnEnded():
                self._enter(State.THINKING)
                self._answering = asyncio.create_task(self._answer(), name="answer")
                self._ended.add(self._answering)
                self._answering.add_done_callback(self._ended.discard)

    async def _answer(self) -> None:
        answering = asyncio.current_task()
        try:
            await self._partner.answer()
        except PartnerFailed as failure:
            self._on_event(Failed(str(failure)))
        except Exception:
            logger.exception("an answer failed unexpectedly")
            self._on_event(Failed("The answer failed; see the server's log for the cause."))
        if self._answering is answering:
            self._answering = None
            self._enter(State.LISTENING)

    def _enter(self, state: State) -> None:
        if state is self._state:
            return
        self._state = state
        self._face.listen(state is State.HEARING)
        self._on_event(state)
