"""Presenter session: a program sends audio or text, and all viewers share one rendering.

Runs on: event loop. The clock runs from the start, with or without viewers; between utterances the face idles. Text is
synthesized sentence by sentence, in order of arrival.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from server.sessions.live_session import LiveSession
from server.tts.sentence_speech import speak
from server.tts.spoken_text import SpokenSentence
from server.tts.voice import Voice, VoiceFailed
from server.webrtc.tracks import OpusEncoder
from streaming.avatar.audio_input import AudioInput
from streaming.avatar.spoken_session import PlayedPacket, SpokenMedia, SpokenSession
from streaming.clock import MediaClock
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk, RenderedFrame
from streaming.queues import BoundedQueue, OnFull
from streaming.scheduling.batch_worker import BatchWorker
from streaming.session import Session, Settings
from streaming.speaker import Interruption, SpokenEvent
from streaming.speech_queue import MAX_UTTERANCES, QueueFull, Utterance


@dataclass(frozen=True, slots=True)
class _Text:
    """Text that waits for synthesis; ``last`` of its utterance."""

    utterance: Utterance
    sentences: tuple[SpokenSentence, ...]
    voice: Voice
    last: bool


@dataclass(frozen=True, slots=True)
class Listener:
    """Receiver of every packet and frame of a presentation, such as a recorder."""

    audio: Callable[[AudioChunk], None]
    frame: Callable[[RenderedFrame], None]


class PresenterSession(LiveSession):
    """A presentation. Created by `PresenterSession.open`; ends when `run` returns.

    Args:
        session: open.
        worker: that its slot belongs to.
        on_event: called with each playback event.
        on_failure: called with a sentence when speech synthesis fails.
    """

    def __init__(
        self,
        session: Session,
        worker: BatchWorker,
        on_event: Callable[[SpokenEvent], None],
        on_failure: Callable[[str], None],
    ) -> None:
        super().__init__(session, worker)
        self._spoken = SpokenSession(session, self._publish)
        self.speaker = self._spoken.speaker
        self.audio = AudioInput(self.speaker)
        self.guests = AsyncExitStack()
        """Resources that are closed with the presentation, such as a recording."""
        self._encoder = OpusEncoder()
        self._texts: BoundedQueue[_Text] = BoundedQueue("texts to speak", MAX_UTTERANCES, OnFull.WAIT)
        self._listeners: list[Listener] = []
        self._on_event = on_event
        self._on_failure = on_failure

    @classmethod
    async def open(
        cls,
        worker: BatchWorker,
        plan: LatencyPlan,
        settings: Settings,
        on_event: Callable[[SpokenEvent], None],
        on_failure: Callable[[str], None],
    ) -> "PresenterSession":
        """Acquires a slot and prepares it.

        Raises:
            WorkerFull: no slot is free.
            ValueError: there is no such avatar, style or background.
            EngineFailure: the engine failed.
        """
        lease = worker.lease()
        session = Session(worker, lease, plan, MediaClock(plan.delay), settings, seed=lease.generation)
        try:
            await session.open()
        except BaseException:
            await worker.release(lease)
            raise
        return cls(session, worker, on_event, on_failure)

    def say(
        self, sentences: Iterable[SpokenSentence], voice: Voice, utterance: Utterance | None, last: bool
    ) -> Utterance:
        """Queues sentences of ``utterance``, None for a new one.

        Args:
            last: they complete it.

        Raises:
            QueueFull: too many utterances or texts wait.
        """
        if len(self._texts) == self._texts.capacity:
            raise QueueFull(f"{len(self._texts)} texts are waiting; send more when some have been spoken.")
        utterance = utterance or self.speaker.open()
        self._texts.offer(_Text(utterance, tuple(sentences), voice, last))
        return utterance

    def clear(self) -> int:
        """Discards the utterances that have not begun; returns their number."""
        forgotten = self.speaker.clear()
        for text in self._texts.drain():
            if not text.utterance.closed:
                self._texts.offer(text)
        return forgotten

    def interrupt(self) -> Interruption:
        """Stops speaking with the next packet and discards all queued speech."""
        self._texts.drain()
        return self._spoken.interrupt()

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Passes packets and frames to a listener within the context."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def work(self) -> None:
        """Runs the presentation until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in (self._spoken.run, self._speak_texts):
                tasks.create_task(part(), name=f"presentation {self.id} {part.__name__}")

    async def aclose(self) -> None:
        """Closes dependent resources and releases the slot."""
        await self.guests.aclose()
        await super().aclose()

    def _publish(self, media: SpokenMedia) -> None:
        """Passes on what is due: to the viewers, to the listeners and to the program."""
        if isinstance(media, PlayedPacket):
            if self.viewers.by_id:
                encoded = self._encoder.encode(media.audio.samples, media.audio.start)
                self.viewers.audio.publish((media.audio.start, encoded))
            for listener in self._listeners:
                listener.audio(media.audio)
            for event in (event for part in media.parts for event in part.events):
                self._on_event(event)
        elif isinstance(media, RenderedFrame):
            self.viewers.frames.publish(media)
            for listener in self._listeners:
                listener.frame(media)
        else:
            self._on_event(media)

    async def _speak_texts(self) -> None:
        while True:
            text = await self._texts.get()
            try:
                for sentence in text.sentences:
                    await speak(self.speaker, text.utterance, sentence, text.voice)
            except VoiceFailed as failure:
                self._on_failure(str(failure))
            finally:
                if text.last:
                    self.speaker.close(text.utterance)
