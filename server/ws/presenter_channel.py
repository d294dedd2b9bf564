"""Presenter requests of a control channel: a program pushes audio or text, and the avatar speaks it.

Runs on: event loop.
"""

import asyncio
from dataclasses import dataclass

from server.errors import Refusal, sentence
from server.protocol.events import (
    AudioBuffer,
    AudioCleared,
    AudioCommitted,
    Error,
    MarkReached,
    PresenterStarted,
    PresenterStopped,
    RecordingStarted,
    RecordingStopped,
    TextAccepted,
    TranscriptFinal,
    UtteranceEnded,
    UtteranceStarted,
)
from server.protocol.fields import UNSET, BadMessage, Unset
from server.protocol.requests import (
    DEFAULT_RATE,
    MAX_AUDIO_BYTES,
    AppendAudio,
    AppendText,
    ClearAudio,
    CommitAudio,
    CommitText,
    PlaceMark,
    PresenterRequest,
    SpeakText,
    StartPresenter,
    StartRecording,
    StopPresenter,
    StopRecording,
)
from server.provenance.ai_label import AI_LABEL
from server.service import RETRY_AFTER_SECONDS, Service
from server.sessions.clients import Client
from server.sessions.presenter_session import PresenterSession
from server.sessions.recording import Recording
from server.tts.spoken_text import TextStream, sentences
from server.tts.voice import Voice
from server.ws.publishing import publish
from streaming import speaker as spoken
from streaming.audio.resampler import UnsupportedAudio
from streaming.avatar.audio_input import RateChanged
from streaming.errors import EngineFailure, WorkerFull
from streaming.speaker import Speaker, SpokenEvent
from streaming.speech_queue import AT_END, QueueFull, Sentence, Utterance
from streaming.units import TICK_RATE, Tick


def milliseconds(ticks: Tick) -> int:
    """Return ticks in the unit of the messages."""
    return round(ticks * 1000 / TICK_RATE)


def check_free(service: Service, client: Client, name: str) -> None:
    """Checks that ``client`` may present under ``name``.

    Raises:
        BadMessage: another client uses this name.
    """
    if any(other.presents_as == name for other in service.clients if other is not client):
        raise BadMessage(f"The presenter name {name!r} is in use; choose another one.")


@dataclass(slots=True)
class _AppendedText:
    """Text that is being appended; ``utterance`` from its first sentence on."""

    stream: TextStream
    voice: Voice
    utterance: Utterance | None = None


class PresenterChannel:
    """Handles the presenter requests of one client.

    Args:
        service: of the server.
        client: the owner of the channel.
        may_record: whether the client may write files that outlive its session.
    """

    def __init__(self, service: Service, client: Client, may_record: bool) -> None:
        self._service = service
        self._client = client
        self._may_record = may_record
        self._utterance: Utterance | None = None
        """The newest."""
        self._mark_at: Tick | None = None
        """Where a mark in it is set: after the audio so far (None), or at the end of a text."""
        self._text: _AppendedText | None = None
        self._recording: Recording | None = None
        self._attending: asyncio.Task[None] | None = None
        self._reported_waiting = False
        """Whether the last report said that audio is waiting."""

    async def handle(self, request: PresenterRequest) -> None:
        """Handles one request.

        Raises:
            Refusal: the request is refused.
            QueueFull: the speech queue is full.
        """
        match request:
            case StartPresenter():
                await self._start(request.name)
            case StopPresenter():
                await self._stop()
            case AppendAudio():
                await self._append(request)
            case CommitAudio():
                self._commit()
            case ClearAudio():
                self._client.send(AudioCleared(self._presenter_session.clear()))
            case SpeakText():
                await self._speak(request)
            case AppendText():
                await self._append_text(request)
            case CommitText():
                self._commit_text()
            case PlaceMark():
                self._mark(request.name)
            case StartRecording():
                await self._start_recording()
            case StopRecording():
                await self._stop_recording()

    def report(self) -> None:
        """Sends the length of the queue; called once a second. An empty queue is reported once."""
        presentation = self._client.session
        if isinstance(presentation, PresenterSession) and (presentation.speaker.waiting or self._reported_waiting):
            self._send_buffer(presentation.speaker)

    # The presentation

    @property
    def _presenter_session(self) -> PresenterSession:
        """Return the active presentation.

        Raises:
            Refusal: there is none.
        """
        if not isinstance(self._client.session, PresenterSession):
            raise Refusal("not_presenting", "There is no presentation; send presenter.start first.")
        return self._client.session

    async def _start(self, name: str) -> None:
        service, client = self._service, self._client
        check_free(service, client, name)
        if client.session is not None:
            raise BadMessage("This session is already active; send presenter.stop, or end the call.")
        async with client.negotiating:
            client.presents_as = name  # before another client can take it
            try:
                session = await self._open()
            except BaseException:
                client.presents_as = None
                raise
            self._utterance = self._text = None
            task = service.clients.start(client, session)
            send = client.send
            publish(service, session, name, lambda words: send(Error("publish_failed", words)))
            self._attending = asyncio.create_task(self._attend(task, name), name=f"presenter {name}")
        delay, room = session.media_session.clock.delay, session.speaker.room
        client.send(PresenterStarted(name, f"/whep/{name}", milliseconds(delay), milliseconds(room), AI_LABEL))

    async def _open(self) -> PresenterSession:
        service = self._service
        try:
            if service.draining:
                raise WorkerFull("the server is shutting down")
            return await PresenterSession.open(
                service.worker, service.plan(), self._client.settings, self._send_event, self._send_failure
            )
        except (WorkerFull, EngineFailure) as error:
            words = "The server is full; try again in a moment."
            raise Refusal("server_full", words, retry_after=RETRY_AFTER_SECONDS) from error

    async def _attend(self, task: "asyncio.Task[None]", name: str) -> None:
        """Cleans up when the presentation has ended."""
        await asyncio.wait({task})
        await self._finish_recording()
        if self._client.presents_as == name:
            self._client.presents_as = None
        self._client.send(PresenterStopped(name))

    async def _stop(self) -> None:
        if self._presenter_session and self._attending:
            await self._service.clients.end(self._client)
            await self._attending

    # Audio and text

    async def _append(self, request: AppendAudio) -> None:
        speaker, audio = self._presenter_session.speaker, self._presenter_session.audio
        self._finish_text()
        if len(request.audio) > MAX_AUDIO_BYTES:
            raise Refusal("too_large", f"A message must hold at most {MAX_AUDIO_BYTES} bytes of audio; send several.")
        usual = audio.rate or DEFAULT_RATE
        try:
            utterance = await audio.push_long(request.audio, usual if request.rate is UNSET else request.rate)
        except QueueFull as error:
            waiting, room = milliseconds(speaker.waiting), milliseconds(speaker.room)
            words = "The audio buffer is full; wait for input_audio.buffer."
            raise Refusal("buffer_full", words, buffered_ms=waiting, room_ms=room) from error
        except (UnsupportedAudio, RateChanged) as error:
            raise BadMessage(sentence(error)) from error
        if utterance is not None:
            self._utterance, self._mark_at = utterance, None
        self._send_buffer(speaker, UNSET if utterance is None else utterance.id)

    def _send_buffer(self, speaker: Speaker, utterance: int | Unset = UNSET) -> None:
        self._reported_waiting = speaker.waiting > 0
        self._client.send(AudioBuffer(milliseconds(speaker.waiting), milliseconds(speaker.room), utterance))

    def _commit(self) -> None:
        utterance = self._presenter_session.audio.commit()
        length = 0 if utterance is None else milliseconds(utterance.length)
        self._client.send(AudioCommitted(None if utterance is None else utterance.id, length))

    async def _speak(self, request: SpeakText) -> None:
        session = self._presenter_session
        self._complete()
        voice = await self._voice(request)
        spoken = sentences(request.text)
        if spoken:
            self._utterance, self._mark_at = session.say(spoken, voice, None, last=True), AT_END
        self._client.send(TextAccepted(self._utterance.id if spoken and self._utterance else None, voice.name))

    async def _append_text(self, request: AppendText) -> None:
        session = self._presenter_session
        if self._text is None:
            self._complete()
            self._text = _AppendedText(TextStream(), await self._voice(request))
        text = self._text
        if text.utterance is not None and text.utterance.closed:  # interrupted: what belongs to it is not spoken
            return
        if spoken := text.stream.append(request.text):
            text.utterance = session.say(spoken, text.voice, text.utterance, last=False)
            self._utterance, self._mark_at = text.utterance, AT_END

    def _commit_text(self) -> None:
        text = self._text
        if text is None:
            raise BadMessage("There is no text to complete; send text.append first.")
        utterance = self._finish_text()
        self._client.send(TextAccepted(None if utterance is None else utterance.id, text.voice.name))

    def _finish_text(self) -> Utterance | None:
        """Speak the rest of the appended text; return its utterance, None when nothing was to be read."""
        text, self._text = self._text, None
        if text is None or (text.utterance is not None and text.utterance.closed):
            return None if text is None else text.utterance
        spoken = text.stream.finish()
        if spoken or text.utterance is not None:
            text.utterance = self._presenter_session.say(spoken, text.voice, text.utterance, last=True)
            self._utterance, self._mark_at = text.utterance, AT_END
        return text.utterance

    def _complete(self) -> None:
        """Complete what is being pushed or appended."""
        self._presenter_session.audio.commit()
        self._finish_text()

    async def _voice(self, request: SpeakText | AppendText) -> Voice:
        name = "" if request.voice is UNSET else request.voice
        language = "" if request.language is UNSET else request.language
        return await asyncio.to_thread(self._service.voice, name, language)

    def _mark(self, name: str) -> None:
        session = self._presenter_session
        if self._utterance is None:
            raise BadMessage("There is nothing to mark yet; send input_audio.append or text.speak first.")
        session.speaker.mark(self._utterance, name, self._mark_at)

    # Events

    def _send_event(self, event: SpokenEvent) -> None:
        send, utterance, frame = self._client.send, event.utterance, event.frame
        match event:
            case spoken.UtteranceStarted():
                send(UtteranceStarted(utterance, frame))
            case spoken.UtteranceEnded():
                send(UtteranceEnded(utterance, frame, milliseconds(event.played)))
            case spoken.MarkReached(mark=Sentence() as sentence):
                send(TranscriptFinal(sentence.text, frame, utterance=utterance))
            case spoken.MarkReached(mark=str() as name):
                send(MarkReached(name, utterance, frame, milliseconds(event.played)))

    def _send_failure(self, sentence: str) -> None:
        self._client.send(Error("voice_failed", sentence))

    # Recording

    async def _start_recording(self) -> None:
        if not self._may_record:
            raise Refusal("forbidden", "This token does not allow recording; use the API key.")
        if self._recording is not None:
            raise BadMessage("This presentation is already being recorded.")
        self._recording = await Recording.start(
            self._presenter_session, self._service.worker.size, self._service.certificate
        )
        self._client.send(RecordingStarted(self._recording.id))

    async def _stop_recording(self) -> None:
        if self._recording is None:
            raise BadMessage("There is no recording; send recording.start first.")
        await self._finish_recording()

    async def _finish_recording(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            seconds = await recording.stop()
            address = f"/api/recordings/{recording.id}"
            self._client.send(RecordingStopped(recording.id, seconds, address))
