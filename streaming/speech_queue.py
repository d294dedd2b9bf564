"""Presenter's speech queue: utterances in order, each with audio, and marks and phones at positions in it.

Pure. Utterances play in the order in which they were opened, without gaps; an open utterance that has run out of audio
blocks those after it. The queue is bounded and reports its free room.
"""

from bisect import insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streaming.errors import StreamingError
from streaming.media import TimedPhone
from streaming.units import TICK_RATE, Tick

CAPACITY: Tick = 60 * TICK_RATE
"""Maximum queued audio: one minute."""
MAX_UTTERANCES = 256
MAX_MARKS = 1_024
"""Maximum number of pending marks per utterance."""
MAX_PHONE_AHEAD: Tick = TICK_RATE
"""Ticks by which a phone is known before its audio is taken; the timeline holds a few seconds."""
AT_END: Tick = 1 << 62
"""Position of a mark at the end of an utterance, wherever that will be."""
HEAD_START: Tick = TICK_RATE // 10
"""Audio that an open utterance must have buffered before it starts or resumes, to avoid stutter on uneven supply."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Internal mark at the start of a sentence; for captions."""

    text: str


Mark = str | Sentence
"""The name of a client's mark, or an internal mark."""


class QueueFull(StreamingError):
    """The queue is full; the message says how to proceed."""

    code = "buffer_full"
    status = 503


@dataclass(slots=True, eq=False)
class Utterance:
    """One utterance: ``length`` ticks received so far, ``taken`` of them passed on for playback."""

    id: int
    closed: bool = False
    length: Tick = 0
    taken: Tick = 0
    marks: list[tuple[Tick, Mark]] = field(default_factory=list)
    pieces: deque[NDArray[np.int16]] = field(default_factory=deque)
    phones: deque[TimedPhone] = field(default_factory=deque)

    @property
    def waiting(self) -> Tick:
        """Ticks not taken yet."""
        return self.length - self.taken

    @property
    def finished(self) -> bool:
        """True when it is complete and has been taken entirely."""
        return self.closed and not self.waiting


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Ticks ``offset`` to ``offset + count`` of an utterance, placed ``at`` ticks into a packet.

    With its marks, and the phones that begin in it, both at ticks of the utterance.
    """

    utterance: Utterance
    at: Tick
    offset: Tick
    count: Tick
    marks: tuple[tuple[Tick, Mark], ...]
    phones: tuple[TimedPhone, ...]


class SpeechQueue:
    """FIFO queue of utterances.

    Args:
        capacity: maximum queued audio.
        head_start: audio that an open utterance must have buffered before it starts or resumes.
    """

    def __init__(self, capacity: Tick = CAPACITY, head_start: Tick = HEAD_START) -> None:
        self._capacity = capacity
        self._head_start = head_start
        self._utterances: deque[Utterance] = deque()
        self._opened = 0
        self._flowing = False

    @property
    def waiting(self) -> Tick:
        """Ticks of audio queued."""
        return sum(utterance.waiting for utterance in self._utterances)

    @property
    def room(self) -> Tick:
        """Ticks of audio that can still be added."""
        return self._capacity - self.waiting

    @property
    def supplied(self) -> Tick | None:
        """Ticks of audio up to where an open utterance ends so far; None when every utterance is complete."""
        ticks = 0
        for utterance in self._utterances:
            ticks += utterance.waiting
            if not utterance.closed:
                return ticks
        return None

    def unreached_marks(self) -> list[str]:
        """Names of the client's marks not taken yet, in order."""
        return [mark for utterance in self._utterances for _, mark in utterance.marks if isinstance(mark, str)]

    def open(self) -> Utterance:
        """Opens a new utterance at the end of the queue.

        Raises:
            QueueFull: too many utterances are queued.
        """
        if len(self._utterances) >= MAX_UTTERANCES:
            raise QueueFull(f"{MAX_UTTERANCES} utterances are queued; send more when some have been spoken.")
        self._opened += 1
        utterance = Utterance(self._opened)
        self._utterances.append(utterance)
        return utterance

    def append(self, utterance: Utterance, samples: NDArray[np.int16], phones: Sequence[TimedPhone] = ()) -> None:
        """Appends (n,) int16 mono 48 kHz to an utterance; ignored if it has been cleared.

        Args:
            phones: in order, at ticks from the first of these samples; they may lie in samples appended later.

        Raises:
            QueueFull: there is not enough room; nothing was added. An empty queue takes any length.
        """
        if len(samples) > self.room and self.waiting:
            raise QueueFull(
                f"{self.waiting * 1000 // TICK_RATE} ms of audio are buffered; send more when there is room."
            )
        if not utterance.closed and len(samples):
            utterance.pieces.append(samples)
            utterance.phones.extend(phone.later(utterance.length) for phone in phones)
            utterance.length += len(samples)

    def mark(self, utterance: Utterance, mark: Mark, place: Tick | None = None) -> None:
        """Adds a mark at a position of an utterance, by default its current end.

        Raises:
            QueueFull: too many marks are pending.
        """
        if len(utterance.marks) >= MAX_MARKS:
            raise QueueFull(f"{MAX_MARKS} marks of this utterance are pending.")
        insort(utterance.marks, (utterance.length if place is None else place, mark), key=lambda pair: pair[0])

    def take(self, count: Tick) -> tuple[NDArray[np.int16], list[Excerpt]]:
        """Takes the next ``count`` ticks: (count,) int16, padded with silence, and the excerpts they consist of."""
        samples, excerpts, at = np.zeros(count, np.int16), list[Excerpt](), 0
        while self._utterances:
            utterance = self._utterances[0]
            fluent = utterance.closed or utterance.waiting >= self._head_start or (self._flowing and utterance.taken)
            offset, share = utterance.taken, min(utterance.waiting, count - at) if fluent else 0
            _fill(samples[at : at + share], utterance.pieces)
            utterance.taken += share
            passed = list[tuple[Tick, Mark]]()
            while utterance.marks and (utterance.finished or _passed(*utterance.marks[0], utterance.taken)):
                place, mark = utterance.marks.pop(0)
                passed.append((min(place, utterance.length), mark))
            if share or passed or utterance.finished:
                excerpts.append(Excerpt(utterance, at, offset, share, tuple(passed), _begun(utterance)))
            at += share
            if not utterance.finished:
                break
            self._utterances.popleft()
        self._flowing = at == count
        return samples, excerpts

    def clear(self, begun: bool) -> int:
        """Removes the utterances that have not started, with ``begun`` all of them; returns their number."""
        kept = [utterance for utterance in self._utterances if utterance.taken and not begun]
        for utterance in self._utterances:
            if utterance not in kept:
                utterance.closed = True
                utterance.length = utterance.taken
                utterance.pieces.clear()
                utterance.marks.clear()
                utterance.phones.clear()
        forgotten = len(self._utterances) - len(kept)
        self._utterances = deque(kept)
        return forgotten


def _passed(place: Tick, mark: Mark, taken: Tick) -> bool:
    """True once a mark's position is reached, or the first sample of a sentence has been taken."""
    return place < taken if isinstance(mark, Sentence) else place <= taken


def _begun(utterance: Utterance) -> tuple[TimedPhone, ...]:
    """Removes and returns the phones whose first sample has been taken; of a long one the next `MAX_PHONE_AHEAD`."""
    begun, reach = list[TimedPhone](), utterance.taken + MAX_PHONE_AHEAD
    while utterance.phones and utterance.phones[0].start < utterance.taken:
        phone = utterance.phones.popleft()
        begun.append(TimedPhone(phone.start, min(phone.end, reach), phone.phone))
        if phone.end > reach:
            utterance.phones.appendleft(TimedPhone(reach, phone.end, phone.phone))
    return tuple(begun)


def _fill(place: NDArray[np.int16], pieces: deque[NDArray[np.int16]]) -> None:
    """Moves samples from the front of ``pieces`` into ``place``."""
    done = 0
    while done < len(place):
        piece = pieces.popleft()
        part = piece[: len(place) - done]
        place[done : done + len(part)] = part
        done += len(part)
        if len(part) < len(piece):
            pieces.appendleft(piece[len(part) :])
