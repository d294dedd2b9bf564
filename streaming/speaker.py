"""Speaker: plays queued utterances through a session in place of a microphone.

Runs on: event loop. Audio may be supplied much faster than real time; the speaker feeds it to the session packet by
packet and tracks which utterance every played tick belongs to. A mark is therefore reported when its position has been
played, and an interruption reports exactly how much was played.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.media import AudioChunk, TimedPhone
from streaming.session import Session
from streaming.speech_queue import CAPACITY, HEAD_START, Excerpt, Mark, Sentence, SpeechQueue, Utterance
from streaming.units import FRAME_TICKS, PACKET_TICKS, TICK_RATE, Tick

TRAIL: Tick = TICK_RATE
"""Trailing silence, so that the recognizer drains and the mouth closes."""


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """The first sample of an utterance is played in frame ``frame``."""

    utterance: int
    frame: int


@dataclass(frozen=True, slots=True)
class MarkReached:
    """A mark, ``played`` ticks into the utterance, has been played; ``frame`` is the frame at its position."""

    utterance: int
    frame: int
    mark: Mark
    played: Tick


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """An utterance of ``played`` ticks has been played completely."""

    utterance: int
    frame: int
    played: Tick


SpokenEvent = UtteranceStarted | MarkReached | UtteranceEnded


@dataclass(frozen=True, slots=True)
class Interruption:
    """Result of an interruption: ``played`` ticks of ``utterance`` were played (None: nothing was playing).

    ``frame`` is the first silent frame; ``marks`` are the names of the marks not reached.
    """

    utterance: int | None
    played: Tick
    frame: int
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlayedPart:
    """Part of a packet that belongs to one utterance, or to none (silence), and the events at its end."""

    audio: AudioChunk
    utterance: int | None
    events: tuple[SpokenEvent, ...]


@dataclass(frozen=True, slots=True)
class _Span:
    """Session ticks that play an utterance from its ``offset`` on."""

    start: Tick
    count: Tick
    utterance: int
    offset: Tick


class Speaker:
    """Plays its queue of utterances through one session.

    Args:
        session: speaks; its clock must be running when `run` is called.
        capacity, head_start: of the queue.
    """

    def __init__(self, session: Session, capacity: Tick = CAPACITY, head_start: Tick = HEAD_START) -> None:
        self._session = session
        self._queue = SpeechQueue(capacity, head_start)
        self._position: Tick = 0
        self._supplied = asyncio.Event()
        self._drained = asyncio.Event()
        self._spans: deque[_Span] = deque()
        self._due: deque[tuple[Tick, SpokenEvent]] = deque()
        self._saying: tuple[int | None, Tick] = (None, 0)
        self._end: Tick = 0
        self._idle = False

    @property
    def waiting(self) -> Tick:
        """Ticks of audio queued for playback."""
        return self._queue.waiting

    @property
    def room(self) -> Tick:
        """Ticks of audio that can still be added."""
        return self._queue.room

    @property
    def end(self) -> Tick:
        """Session tick after the last sample of all utterances so far; 0 before the first."""
        return self._start + self._queue.waiting if self._queue.waiting else self._end

    @property
    def supplied_until(self) -> Tick | None:
        """Session tick up to which audio is known; None while no utterance is open."""
        supplied = self._queue.supplied
        return None if supplied is None else self._start + supplied

    @property
    def _start(self) -> Tick:
        """Session tick of the next packet."""
        return self._next_packet() if self._idle else self._position

    # Input

    def open(self) -> Utterance:
        """Opens an utterance at the end of the queue. Raises: QueueFull."""
        return self._queue.open()

    def append(self, utterance: Utterance, samples: NDArray[np.int16], phones: Sequence[TimedPhone] = ()) -> None:
        """Appends (n,) int16 mono 48 kHz and its phones, if known, see `SpeechQueue.append`.

        Raises:
            QueueFull: there is not enough room.
        """
        self._queue.append(utterance, samples, phones)
        self._supplied.set()

    def mark(self, utterance: Utterance, mark: Mark, place: Tick | None = None) -> None:
        """Adds a mark at a position of the newest utterance, by default its current end. Raises: QueueFull."""
        if utterance.finished:
            event = MarkReached(utterance.id, self._end // FRAME_TICKS, mark, utterance.length)
            self._due.append((self._end, event))
        else:
            self._queue.mark(utterance, mark, place)
            self._supplied.set()

    def close(self, utterance: Utterance) -> None:
        """Marks an utterance as complete."""
        utterance.closed = True
        self._supplied.set()

    def clear(self) -> int:
        """Removes the utterances that have not started; returns their number."""
        self._drained.set()
        return self._queue.clear(begun=False)

    async def wait_for_room(self, ticks: Tick) -> None:
        """Waits until there is room for ``ticks`` more, or nothing is waiting."""
        while self.room < ticks and self.waiting:
            self._drained.clear()
            await self._drained.wait()

    def interrupt(self) -> Interruption:
        """Stops playback with the next packet and clears the queue.

        Call `played` first: the events it returns were played.
        """
        heard = self._session.played_tick
        for span in self._spans:
            if span.start < heard:
                self._saying = (span.utterance, span.offset + min(span.count, heard - span.start))
        utterance, played = self._saying
        due = (event.mark for _, event in self._due if isinstance(event, MarkReached))
        unreached = [mark for mark in due if isinstance(mark, str)] + self._queue.unreached_marks()
        self._queue.clear(begun=True)
        self._drained.set()
        self._spans.clear()
        self._due.clear()
        self._saying = (None, 0)
        self._session.interrupt()
        self._position = self._next_packet()
        return Interruption(utterance, played, heard // FRAME_TICKS, tuple(unreached))

    # Playback

    async def run(self) -> None:
        """Plays the queue until cancelled; the session's clock must be running."""
        clock = self._session.clock
        trail = TRAIL
        while True:
            if self._late:
                self._position = self._next_packet()  # start over
            start = self._position
            await clock.wait_until(clock.deadline(start + PACKET_TICKS - clock.delay))
            if start != self._position or self._late:
                continue  # interrupted in the meantime, or the event loop has stalled: nothing is taken from the queue
            samples, excerpts = self._queue.take(PACKET_TICKS)
            self._drained.set()
            for excerpt in excerpts:
                self._schedule(start, excerpt)
                begin = start + excerpt.at - excerpt.offset
                self._session.tell_phones([phone.later(begin) for phone in excerpt.phones])
            self._position = start + PACKET_TICKS
            trail = 0 if any(excerpt.count for excerpt in excerpts) else trail + PACKET_TICKS
            if trail <= TRAIL:
                self._session.push_audio(AudioChunk(start, 0, samples))
            else:
                self._idle = True
                self._supplied.clear()
                await self._supplied.wait()
                self._idle = False
                self._position = self._next_packet()

    @property
    def _late(self) -> bool:
        """True when the next packet could not be played on time, and would be lost."""
        session = self._session
        return session.capture_tick() - self._position > session.clock.delay - 2 * PACKET_TICKS

    def _next_packet(self) -> Tick:
        """Return the start of the first packet after all audio captured and received so far."""
        session = self._session
        return -(-max(session.arrived_tick, session.capture_tick()) // PACKET_TICKS) * PACKET_TICKS

    def _schedule(self, packet: Tick, excerpt: Excerpt) -> None:
        """Schedules the events of an excerpt of the packet that starts at tick ``packet``."""
        utterance, start = excerpt.utterance, packet + excerpt.at
        self._end = start + excerpt.count
        if excerpt.count:
            self._spans.append(_Span(start, excerpt.count, utterance.id, excerpt.offset))
            if excerpt.offset == 0:
                self._due.append((start + 1, UtteranceStarted(utterance.id, start // FRAME_TICKS)))
        for place, mark in excerpt.marks:
            tick = start + max(place - excerpt.offset, 0)
            heard = tick + isinstance(mark, Sentence)  # a sentence starts with its first sample
            self._due.append((heard, MarkReached(utterance.id, tick // FRAME_TICKS, mark, place)))
        if utterance.finished:
            self._due.append((self._end, UtteranceEnded(utterance.id, self._end // FRAME_TICKS, utterance.length)))

    def parts(self, packet: AudioChunk) -> list[PlayedPart]:
        """Split a packet that has just been played by utterance; its events are told with its parts."""
        bounds, at = list[tuple[Tick, int | None]](), packet.start
        for span in self._spans:
            start, end = max(span.start, at), min(span.start + span.count, packet.end)
            if start < end:
                bounds += [(start, None), (end, span.utterance)] if start > at else [(end, span.utterance)]
                at = end
        if at < packet.end:
            bounds.append((packet.end, None))
        return self._cut(packet, bounds)

    def _cut(self, packet: AudioChunk, bounds: list[tuple[Tick, int | None]]) -> list[PlayedPart]:
        parts, at = list[PlayedPart](), packet.start
        for end, utterance in bounds:
            audio = AudioChunk(at, packet.epoch, packet.samples[at - packet.start : end - packet.start])
            parts.append(PlayedPart(audio, utterance, tuple(self.played(end))))
            at = end
        return parts

    def played(self, until: Tick | None = None) -> list[SpokenEvent]:
        """Return the events played since the last call, in order; with ``until`` those up to this tick."""
        heard, events = self._session.played_tick if until is None else until, list[SpokenEvent]()
        while self._spans and self._spans[0].start + self._spans[0].count <= heard:
            span = self._spans.popleft()
            self._saying = (span.utterance, span.offset + span.count)
        while self._due and self._due[0][0] <= heard:
            events.append(event := self._due.popleft()[1])
            if isinstance(event, UtteranceEnded) and self._saying[0] == event.utterance:
                self._saying = (None, 0)
        return events
