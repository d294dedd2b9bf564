"""A program that speaks through a session: a microphone whose sound was written in advance.

Runs on: event loop. Sound may come much faster than it is spoken; the speaker hands it to the session packet by
packet, as a microphone would, and knows for every tick that is played what it belongs to. So a mark is reported when
its place has been heard, and an interruption tells what was really heard.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.media import AudioChunk
from streaming.session import Session
from streaming.speech_queue import Excerpt, Mark, Sentence, SpeechQueue, Utterance
from streaming.units import FRAME_TICKS, PACKET_TICKS, TICK_RATE, Tick

TRAIL: Tick = TICK_RATE
"""Silence that follows the last sound, so that the recognizer and the mouth come to rest."""


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """The first sample of an utterance is heard in frame ``frame``."""

    utterance: int
    frame: int


@dataclass(frozen=True, slots=True)
class MarkReached:
    """Everything before a mark, ``played`` ticks of the utterance, has been heard; ``frame`` shows its place."""

    utterance: int
    frame: int
    mark: Mark
    played: Tick


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """All ``played`` ticks of an utterance have been heard."""

    utterance: int
    frame: int
    played: Tick


SpokenEvent = UtteranceStarted | MarkReached | UtteranceEnded


@dataclass(frozen=True, slots=True)
class Interruption:
    """What was cut off: ``played`` ticks of ``utterance`` were heard (None: nothing was being said).

    ``frame`` is the first frame that is silent, ``marks`` are the names of those that were not reached.
    """

    utterance: int | None
    played: Tick
    frame: int
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Span:
    """Ticks of the session that belong to an utterance, from ``offset`` of it on."""

    start: Tick
    count: Tick
    utterance: int
    offset: Tick


class Speaker:
    """Says what is in its queue through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queue = SpeechQueue()
        self._position: Tick = 0
        self._supplied = asyncio.Event()
        self._drained = asyncio.Event()
        self._spans: deque[_Span] = deque()
        self._due: deque[tuple[Tick, SpokenEvent]] = deque()
        self._saying: tuple[int | None, Tick] = (None, 0)
        self._end: Tick = 0

    @property
    def waiting(self) -> Tick:
        """Ticks of sound that wait to be said."""
        return self._queue.waiting

    @property
    def room(self) -> Tick:
        """Ticks of sound that may still be added."""
        return self._queue.room

    # What to say

    def open(self) -> Utterance:
        """Begins an utterance behind all others. Raises: QueueFull."""
        return self._queue.open()

    def append(self, utterance: Utterance, samples: NDArray[np.int16]) -> None:
        """Adds (n,) int16 mono 48 kHz. Raises: QueueFull: there is no room for all of it."""
        self._queue.append(utterance, samples)
        self._supplied.set()

    def mark(self, utterance: Utterance, mark: Mark, place: Tick | None = None) -> None:
        """Puts a mark at a place of the newest utterance, by default behind what it has so far. Raises: QueueFull."""
        if utterance.finished:
            event = MarkReached(utterance.id, self._end // FRAME_TICKS, mark, utterance.length)
            self._due.append((self._end, event))
        else:
            self._queue.mark(utterance, mark, place)
            self._supplied.set()

    def close(self, utterance: Utterance) -> None:
        """Nothing more comes of this utterance."""
        utterance.closed = True
        self._supplied.set()

    def clear(self) -> int:
        """Forgets the utterances that have not begun; returns how many."""
        self._drained.set()
        return self._queue.clear(begun=False)

    async def wait_for_room(self, ticks: Tick) -> None:
        """Returns when ``ticks`` more have room."""
        while self.room < ticks:
            self._drained.clear()
            await self._drained.wait()

    def interrupt(self) -> Interruption:
        """Falls silent with the next packet and forgets everything that was to be said.

        Call `played` before: what it returns was heard.
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

    # Saying it

    async def run(self) -> None:
        """Speaks until it is cancelled; the session's clock runs."""
        clock = self._session.clock
        trail = TRAIL
        while True:
            if self._session.capture_tick() - self._position > clock.delay - 2 * PACKET_TICKS:
                self._position = self._next_packet()  # so late that it would come after its time: begin anew
            start = self._position
            await clock.wait_until(clock.deadline(start + PACKET_TICKS - clock.delay))
            if start != self._position:
                continue  # interrupted meanwhile: what was due then is not said
            samples, excerpts = self._queue.take(PACKET_TICKS)
            self._drained.set()
            for excerpt in excerpts:
                self._schedule(start, excerpt)
            self._position = start + PACKET_TICKS
            trail = 0 if any(excerpt.count for excerpt in excerpts) else trail + PACKET_TICKS
            if trail <= TRAIL:
                self._session.push_audio(AudioChunk(start, 0, samples))
            else:
                self._supplied.clear()
                await self._supplied.wait()
                self._position = self._next_packet()

    def _next_packet(self) -> Tick:
        """The first packet that begins after what has been captured and taken so far."""
        session = self._session
        return -(-max(session.arrived_tick, session.capture_tick()) // PACKET_TICKS) * PACKET_TICKS

    def _schedule(self, packet: Tick, excerpt: Excerpt) -> None:
        """Notes what is heard when the packet that starts at tick ``packet`` is played."""
        utterance, start = excerpt.utterance, packet + excerpt.at
        self._end = start + excerpt.count
        if excerpt.count:
            self._spans.append(_Span(start, excerpt.count, utterance.id, excerpt.offset))
            if excerpt.offset == 0:
                self._due.append((start + 1, UtteranceStarted(utterance.id, start // FRAME_TICKS)))
        for place, mark in excerpt.marks:
            tick = start + max(place - excerpt.offset, 0)
            heard = tick + isinstance(mark, Sentence)  # it begins with a sample
            self._due.append((heard, MarkReached(utterance.id, tick // FRAME_TICKS, mark, place)))
        if utterance.finished:
            self._due.append((self._end, UtteranceEnded(utterance.id, self._end // FRAME_TICKS, utterance.length)))

    def played(self) -> list[SpokenEvent]:
        """What has been heard since the last call, in order."""
        heard, events = self._session.played_tick, list[SpokenEvent]()
        while self._spans and self._spans[0].start + self._spans[0].count <= heard:
            span = self._spans.popleft()
            self._saying = (span.utterance, span.offset + span.count)
        while self._due and self._due[0][0] <= heard:
            events.append(event := self._due.popleft()[1])
            if isinstance(event, UtteranceEnded) and self._saying[0] == event.utterance:
                self._saying = (None, 0)
        return events
