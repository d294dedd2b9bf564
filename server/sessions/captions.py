"""Captions in sync with the avatar: words are sent when the avatar speaks them, not when they are recognized.

Runs on: event loop; the recognizer on one thread for the whole server, because a late caption is better than a late
frame. Audio arrives D before the avatar speaks it, which leaves enough time to recognize it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from server.errors import Refusal
from server.protocol.events import CaptionsApplied, CaptionWord, Error, Event, TranscriptFinal, TranscriptPartial
from streaming.audio.decimator import Decimator
from streaming.media import AudioChunk
from streaming.queues import BoundedQueue, OnFull
from streaming.session import Session
from streaming.units import FRAME_TICKS, MODEL_SAMPLE_TICKS, TICK_RATE, Tick
from styletalk_core.errors import InputError

if TYPE_CHECKING:
    from styletalk_core.recognizer.transcriber import Transcriber, Transcript
    from styletalk_core.recognizer.vosk_model import VoskModel

T = TypeVar("T")

PACKETS_HELD = 500
CAPTIONS_HELD = 64
PIECE_SECONDS = 0.1
"""Length of audio recognized at a time."""
PAUSE_SECONDS = 0.6
"""Length of a pause in the audio that ends a phrase."""
MAX_FILL_TICKS: Tick = TICK_RATE // 2
"""A gap up to this length is filled with silence; after a longer one the recognizer is reset."""


class CaptionModel:
    """The server's word recognizer; its model is loaded when the first client enables captions."""

    def __init__(self, name: str) -> None:
        """``name``: of the model or its folder; empty for a server without captions."""
        self._name = name
        self._model: VoskModel | None = None
        self._threads = ThreadPoolExecutor(1, "captions")

    def check(self) -> None:
        """Checks that there is a model.

        Raises:
            Refusal: the server has none.
        """
        if not self._name:
            raise Refusal("no_captions", "This server has no captions; start it with --vosk-model MODEL.")

    def close(self) -> None:
        """Stops the thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def transcriber(self) -> "Transcriber":
        """Return a recognizer for one session; the first call loads the model.

        Raises:
            InputError: the model cannot be read.
        """
        return await self.run(self.open)

    def open(self) -> "Transcriber":
        """The same, on the recognizer's thread."""
        from styletalk_core.recognizer.transcriber import Transcriber
        from styletalk_core.recognizer.vosk_model import VoskModel

        if self._model is None:
            self._model = VoskModel(self._name)
        return Transcriber(self._model)

    async def run(self, work: Callable[[], T]) -> T:
        """Runs ``work`` on the recognizer's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


@dataclass(frozen=True, slots=True)
class Caption:
    """A transcript to send when ``tick`` is played; its word times count in seconds from tick ``origin``."""

    tick: Tick
    origin: Tick
    transcript: "Transcript"

    def event(self) -> TranscriptPartial | TranscriptFinal:
        """Return the message for clients."""
        text, frame = self.transcript.text, self.tick // FRAME_TICKS
        if not self.transcript.final:
            return TranscriptPartial(text, frame)
        words = [
            CaptionWord(word.text, self._frame(word.start), self._frame(word.end)) for word in self.transcript.words
        ]
        return TranscriptFinal(text, frame, words)

    def _frame(self, seconds: float) -> int:
        return (self.origin + round(seconds * TICK_RATE)) // FRAME_TICKS


class Listening:
    """Feeds the audio of one session to a transcriber and places its words on the session's ticks.

    Runs on: the recognizer's thread.
    """

    def __init__(self, transcriber: "Transcriber") -> None:
        self._transcriber = transcriber
        self._decimator = Decimator()
        self._origin: Tick = 0
        self._end: Tick | None = None

    def hear(self, chunks: list[AudioChunk]) -> list[Caption]:
        """Takes audio in order; returns the recognized captions."""
        captions = list[Caption]()
        for chunk in chunks:
            gap = 0 if self._end is None else chunk.start - self._end
            if self._end is None or not 0 <= gap <= MAX_FILL_TICKS:
                captions += self.pause()
                self.restart()
                self._origin, gap = chunk.start, 0
            samples = np.concatenate([np.zeros(gap, np.int16), chunk.samples])
            self._end = chunk.end
            usable = len(samples) - len(samples) % MODEL_SAMPLE_TICKS
            captions += self._captions(self._transcriber.push(self._decimator.push(samples[:usable])))
        return captions

    def pause(self) -> list[Caption]:
        """Ends the phrase."""
        return self._captions([] if self._end is None else self._transcriber.finish())

    def restart(self) -> None:
        """Discards the audio so far."""
        self._transcriber.reset()
        self._decimator = Decimator()
        self._end = None

    def _captions(self, transcripts: "list[Transcript]") -> list[Caption]:
        return [Caption(self._end or 0, self._origin, transcript) for transcript in transcripts]


class Captions:
    """One client's captions; `run` sends them.

    Args:
        model: of the server.
        send: sends a message.
    """

    def __init__(self, model: CaptionModel, send: Callable[[Event], None]) -> None:
        self._model = model
        self._send = send
        self._audio: BoundedQueue[AudioChunk] = BoundedQueue("caption audio", PACKETS_HELD, OnFull.DROP_OLDEST)
        self._captions: BoundedQueue[tuple[Session, int, Caption]] = BoundedQueue(
            "captions", CAPTIONS_HELD, OnFull.DROP_OLDEST
        )
        self._session: Session | None = None

    def follow(self, session: Session | None) -> None:
        """Switches to the audio of this session; None for none."""
        if session is self._session:
            return
        if self._session is not None:
            self._session.audio_taps.remove(self._audio.offer)
        self._audio.drain()
        if session is not None:
            session.audio_taps.append(self._audio.offer)
        self._session = session

    async def run(self) -> None:
        """Runs until it is cancelled."""
        try:
            listening = Listening(await self._model.transcriber())
        except InputError as error:
            self._send(Error("no_captions", f"Captions are not available: {error}."))
            return
        self._send(CaptionsApplied(True))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recognize(listening), name="captions recognize")
            tasks.create_task(self._send_in_time(), name="captions send")

    async def _recognize(self, listening: Listening) -> None:
        heard: tuple[Session, int] | None = None
        while True:
            chunks = await self._piece()
            session = self._session
            if session is None:
                continue
            if heard != (session, session.epoch):  # another call, or the speech was interrupted
                heard = session, session.epoch
                await self._model.run(listening.restart)
            captions = await self._model.run(partial(listening.hear, chunks) if chunks else listening.pause)
            for caption in captions:
                self._captions.offer((*heard, caption))

    async def _piece(self) -> list[AudioChunk]:
        """Return the next audio to recognize; empty after a pause."""
        try:
            async with asyncio.timeout(PAUSE_SECONDS):
                first = await self._audio.get()
        except TimeoutError:
            return []
        await asyncio.sleep(PIECE_SECONDS)
        return [first, *self._audio.drain()]

    async def _send_in_time(self) -> None:
        while True:
            session, epoch, caption = await self._captions.get()
            await session.clock.wait_until(session.clock.deadline(caption.tick))
            if session is self._session and session.epoch == epoch:
                self._send(caption.event())
