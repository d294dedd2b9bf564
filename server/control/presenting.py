"""The presenter's part of a control channel: what a program says to let an avatar speak, and what it is told.

Runs on: event loop. Client to server: presenter.start, presenter.stop, input_audio.append, input_audio.commit,
input_audio.clear, text.speak, mark, recording.start, recording.stop. Server to client: presenter.started,
presenter.stopped, input_audio.buffer, input_audio.committed, input_audio.cleared, text.accepted, utterance.started,
utterance.ended, mark, transcript.final, recording.started, recording.stopped, error.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np

from server.admission.problems import Refusal
from server.control.messages import BadMessage, binary, number, text
from server.generated import GENERATED
from server.service import RETRY_AFTER_SECONDS, Service
from server.sessions.calls import Visitor
from server.sessions.presentation import Presentation
from server.sessions.recording import Recording
from streaming.errors import EngineFailure, WorkerFull
from streaming.interpolator import RATES, Interpolator
from streaming.media import TICK_RATE, Tick
from streaming.speaker import Speaker, SpokenEvent, UtteranceEnded, UtteranceStarted
from streaming.speech_queue import AT_END, Sentence, Utterance

PRESENTER_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
USUAL_RATE = 24_000
LONGEST_TEXT = 2_000
LONGEST_MARK = 200

Action = Callable[[Mapping[str, Any]], Awaitable[None]]


def milliseconds(ticks: Tick) -> int:
    """Ticks as messages tell them."""
    return round(ticks * 1000 / TICK_RATE)


def free_name(service: Service, visitor: Visitor, name: object) -> str:
    """A name under which ``visitor`` may present.

    Raises:
        BadMessage: it is none, or somebody else has it.
    """
    if not (isinstance(name, str) and PRESENTER_NAME.fullmatch(name)):
        raise BadMessage("A presenter's name is 1 to 40 letters, digits, '-' and '_'.")
    if any(other.presents_as == name for other in service.visitors if other is not visitor):
        raise BadMessage(f"Somebody else presents as {name!r}.")
    return name


class Presenting:
    """Carries out what one program says.

    Args:
        service: of the server.
        visitor: whose channel it is.
        may_record: whether the client may write files that outlive its session.
    """

    def __init__(self, service: Service, visitor: Visitor, may_record: bool) -> None:
        self._service = service
        self._visitor = visitor
        self._may_record = may_record
        self._utterance: Utterance | None = None
        """The newest."""
        self._pushed: Utterance | None = None
        """The newest whose sound is pushed."""
        self._interpolator = Interpolator(USUAL_RATE)
        self._recording: Recording | None = None
        self._attending: asyncio.Task[None] | None = None
        self.actions: dict[str, Action] = {
            "presenter.start": self._start,
            "presenter.stop": self._stop,
            "input_audio.append": self._append,
            "input_audio.commit": self._commit,
            "input_audio.clear": self._clear,
            "text.speak": self._speak,
            "mark": self._mark,
            "recording.start": self._start_recording,
            "recording.stop": self._stop_recording,
        }

    def report(self) -> None:
        """Tells how much waits, while something does; once a second."""
        presentation = self._visitor.call
        if isinstance(presentation, Presentation) and presentation.speaker.waiting:
            self._visitor.tell("input_audio.buffer", **_buffer(presentation.speaker))

    # The presentation

    @property
    def _presentation(self) -> Presentation:
        """The presentation that is on.

        Raises:
            Refusal: there is none.
        """
        if not isinstance(self._visitor.call, Presentation):
            raise Refusal("not_presenting", "Nothing is presented; send presenter.start first.")
        return self._visitor.call

    async def _start(self, message: Mapping[str, Any]) -> None:
        service, visitor = self._service, self._visitor
        name = free_name(service, visitor, message.get("name"))
        if visitor.call is not None:
            raise BadMessage("This session is on already; send presenter.stop, or end the call.")
        async with visitor.negotiating:
            visitor.presents_as = name  # before anybody else asks for it
            try:
                presentation = await self._open()
            except BaseException:
                visitor.presents_as = None
                raise
            self._utterance = self._pushed = None
            task = service.visitors.begin(visitor, presentation)
            self._attending = asyncio.create_task(self._attend(task, name), name=f"presenter {name}")
        visitor.tell(
            "presenter.started",
            presenter=name,
            watch=f"/whep/{name}",
            delay_ms=milliseconds(presentation.session.plan.delay),
            room_ms=milliseconds(presentation.speaker.room),
            generated=GENERATED,
        )

    async def _open(self) -> Presentation:
        service = self._service
        try:
            if service.draining:
                raise WorkerFull("the server is about to stop")
            return await Presentation.open(
                service.worker, service.plan(), self._visitor.settings, self._tell_event, self._tell_failure
            )
        except (WorkerFull, EngineFailure) as error:
            words = "No place is free; try again in a moment."
            raise Refusal("server_full", words, retry_after=RETRY_AFTER_SECONDS) from error

    async def _attend(self, task: "asyncio.Task[None]", name: str) -> None:
        """Tidies up when the presentation is over."""
        await asyncio.wait({task})
        await self._finish_recording()
        if self._visitor.presents_as == name:
            self._visitor.presents_as = None
        self._visitor.tell("presenter.stopped", presenter=name)

    async def _stop(self, message: Mapping[str, Any]) -> None:
        if self._presentation and self._attending:
            await self._service.visitors.end(self._visitor)
            await self._attending

    # Sound and text

    async def _append(self, message: Mapping[str, Any]) -> None:
        speaker, pcm = self._presentation.speaker, binary(message, "audio")
        pushed = self._pushed if self._pushed is not None and not self._pushed.closed else None
        rate = round(number(message, "rate", USUAL_RATE if pushed is None else self._interpolator.rate, TICK_RATE))
        if len(pcm) % 2 or rate not in RATES:
            raise BadMessage(f"audio must be 16-bit samples, and rate one of {', '.join(map(str, RATES))}.")
        if len(pcm) // 2 * (TICK_RATE // rate) > speaker.room:
            raise Refusal(
                "buffer_full", "There is no room for this sound; wait for input_audio.buffer.", **_buffer(speaker)
            )
        if pushed is None:
            self._utterance = self._pushed = pushed = speaker.open()
            self._interpolator = Interpolator(rate)
        elif rate != self._interpolator.rate:
            raise BadMessage("The rate must not change within an utterance; send input_audio.commit first.")
        samples = np.frombuffer(pcm, "<i2").astype(np.int16)
        speaker.append(pushed, self._interpolator.push(samples))
        self._visitor.tell("input_audio.buffer", utterance=pushed.id, **_buffer(speaker))

    async def _commit(self, message: Mapping[str, Any]) -> None:
        presentation, utterance = self._presentation, self._pushed
        if utterance is None or utterance.closed:
            raise BadMessage("There is no open utterance; send input_audio.append first.")
        presentation.speaker.close(utterance)
        length = milliseconds(utterance.length)
        self._visitor.tell("input_audio.committed", utterance=utterance.id, duration_ms=length)

    async def _clear(self, message: Mapping[str, Any]) -> None:
        self._visitor.tell("input_audio.cleared", utterances=self._presentation.clear())

    async def _speak(self, message: Mapping[str, Any]) -> None:
        presentation, words = self._presentation, text(message, "text", "").strip()
        if not 1 <= len(words) <= LONGEST_TEXT:
            raise BadMessage(f"text must have 1 to {LONGEST_TEXT} characters.")
        if self._pushed is not None:
            presentation.speaker.close(self._pushed)
        voice = await asyncio.to_thread(self._service.voice)
        self._utterance = presentation.say(words, voice)
        self._visitor.tell("text.accepted", utterance=self._utterance.id, voice=voice.name)

    async def _mark(self, message: Mapping[str, Any]) -> None:
        presentation, name = self._presentation, text(message, "name", "")
        if not 1 <= len(name) <= LONGEST_MARK:
            raise BadMessage(f"A mark's name has 1 to {LONGEST_MARK} characters.")
        if self._utterance is None:
            raise BadMessage("There is nothing to mark yet; send input_audio.append or text.speak first.")
        place = None if self._utterance is self._pushed else AT_END
        presentation.speaker.mark(self._utterance, name, place)

    # What is told

    def _tell_event(self, event: SpokenEvent) -> None:
        tell, common = self._visitor.tell, {"utterance": event.utterance, "frame": event.frame}
        if isinstance(event, UtteranceStarted):
            tell("utterance.started", **common)
        elif isinstance(event, UtteranceEnded):
            tell("utterance.ended", **common, played_ms=milliseconds(event.played))
        elif isinstance(event.mark, Sentence):
            tell("transcript.final", **common, text=event.mark.text)
        else:
            tell("mark", name=event.mark, **common, played_ms=milliseconds(event.played))

    def _tell_failure(self, sentence: str) -> None:
        self._visitor.tell("error", code="voice_failed", message=sentence)

    # Recording

    async def _start_recording(self, message: Mapping[str, Any]) -> None:
        if not self._may_record:
            raise Refusal("forbidden", "This token is for talking only; recording needs the key.")
        if self._recording is not None:
            raise BadMessage("This presentation is being recorded already.")
        self._recording = await Recording.start(self._presentation, self._service.worker.size)
        self._visitor.tell("recording.started", recording=self._recording.id)

    async def _stop_recording(self, message: Mapping[str, Any]) -> None:
        if self._recording is None:
            raise BadMessage("Nothing is being recorded; send recording.start first.")
        await self._finish_recording()

    async def _finish_recording(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            seconds = await recording.stop()
            address = f"/api/recordings/{recording.id}"
            self._visitor.tell("recording.stopped", recording=recording.id, seconds=seconds, address=address)


def _buffer(speaker: Speaker) -> dict[str, int]:
    return {"buffered_ms": milliseconds(speaker.waiting), "room_ms": milliseconds(speaker.room)}
