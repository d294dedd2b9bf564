"""What a presenter has still to say: utterances in order, each sound with marks at places in it.

Pure. Utterances play in the order in which they were opened, without a gap between them; one that is still open and
has run dry holds up those behind it. The queue is bounded, and says how much room it has.
"""

from bisect import insort
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streaming.errors import StreamingError
from streaming.units import TICK_RATE, Tick

CAPACITY: Tick = 60 * TICK_RATE
"""Sound that may wait: one minute."""
MAX_UTTERANCES = 256
MAX_MARKS = 1_024
"""Marks that may wait in one utterance."""
AT_END: Tick = 1 << 62
"""Place of a mark behind everything that is still to come of an utterance."""
HEAD_START: Tick = TICK_RATE // 10
"""Sound an open utterance must have before it begins or goes on, so that an uneven supply does not stutter."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A mark of our own: from here on this is said; for captions."""

    text: str


Mark = str | Sentence
"""A program's mark, by its name, or one of our own."""


class QueueFull(StreamingError):
    """There is no room for it; the message says what to do."""

    code = "buffer_full"
    status = 503


@dataclass(slots=True, eq=False)
class Utterance:
    """One thing to say. ``length`` ticks of it are known, ``taken`` of them are on their way to be heard."""

    id: int
    closed: bool = False
    length: Tick = 0
    taken: Tick = 0
    marks: list[tuple[Tick, Mark]] = field(default_factory=list)
    pieces: deque[NDArray[np.int16]] = field(default_factory=deque)

    @property
    def waiting(self) -> Tick:
        """Ticks that were not taken yet."""
        return self.length - self.taken

    @property
    def finished(self) -> bool:
        """True when nothing more can come of it."""
        return self.closed and not self.waiting


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Ticks ``offset`` to ``offset + count`` of an utterance, ``at`` ticks into a packet, and the marks passed."""

    utterance: Utterance
    at: Tick
    offset: Tick
    count: Tick
    marks: tuple[tuple[Tick, Mark], ...]


class SpeechQueue:
    """First opened, first said."""

    def __init__(self) -> None:
        self._utterances: deque[Utterance] = deque()
        self._opened = 0
        self._flowing = False

    @property
    def waiting(self) -> Tick:
        """Ticks of sound that wait."""
        return sum(utterance.waiting for utterance in self._utterances)

    @property
    def room(self) -> Tick:
        """Ticks of sound that may still be added."""
        return CAPACITY - self.waiting

    def unreached_marks(self) -> list[str]:
        """Names of the program's marks that were not taken, in order."""
        return [mark for utterance in self._utterances for _, mark in utterance.marks if isinstance(mark, str)]

    def open(self) -> Utterance:
        """Begins a new utterance behind all others.

        Raises:
            QueueFull: too many wait.
        """
        if len(self._utterances) >= MAX_UTTERANCES:
            raise QueueFull(f"{MAX_UTTERANCES} utterances are waiting; send more when some have been spoken.")
        self._opened += 1
        utterance = Utterance(self._opened)
        self._utterances.append(utterance)
        return utterance

    def append(self, utterance: Utterance, samples: NDArray[np.int16]) -> None:
        """Adds (n,) int16 mono 48 kHz to an utterance; ignored when it has been cleared.

        Raises:
            QueueFull: there is no room for all of it; nothing was taken.
        """
        if len(samples) > self.room:
            raise QueueFull(
                f"{self.waiting * 1000 // TICK_RATE} ms of sound are waiting; send more when there is room."
            )
        if not utterance.closed and len(samples):
            utterance.pieces.append(samples)
            utterance.length += len(samples)

    def mark(self, utterance: Utterance, mark: Mark, place: Tick | None = None) -> None:
        """Puts a mark at a place of an utterance, by default behind what it has so far.

        Raises:
            QueueFull: too many wait.
        """
        if len(utterance.marks) >= MAX_MARKS:
            raise QueueFull(f"{MAX_MARKS} marks are waiting in this utterance.")
        insort(utterance.marks, (utterance.length if place is None else place, mark), key=lambda pair: pair[0])

    def take(self, count: Tick) -> tuple[NDArray[np.int16], list[Excerpt]]:
        """Removes the next ``count`` ticks: (count,) int16, silence where nothing is there, and what they are."""
        samples, excerpts, at = np.zeros(count, np.int16), list[Excerpt](), 0
        while self._utterances:
            utterance = self._utterances[0]
            fluent = utterance.closed or utterance.waiting >= HEAD_START or (self._flowing and utterance.taken)
            offset, share = utterance.taken, min(utterance.waiting, count - at) if fluent else 0
            _fill(samples[at : at + share], utterance.pieces)
            utterance.taken += share
            passed = list[tuple[Tick, Mark]]()
            while utterance.marks and (utterance.finished or _passed(*utterance.marks[0], utterance.taken)):
                place, mark = utterance.marks.pop(0)
                passed.append((min(place, utterance.length), mark))
            if share or passed or utterance.finished:
                excerpts.append(Excerpt(utterance, at, offset, share, tuple(passed)))
            at += share
            if not utterance.finished:
                break
            self._utterances.popleft()
        self._flowing = at == count
        return samples, excerpts

    def clear(self, begun: bool) -> int:
        """Forgets the utterances that have not begun, and those that have too when ``begun``; returns how many."""
        kept = [utterance for utterance in self._utterances if utterance.taken and not begun]
        for utterance in self._utterances:
            if utterance not in kept:
                utterance.closed = True
                utterance.length = utterance.taken
                utterance.pieces.clear()
                utterance.marks.clear()
        forgotten = len(self._utterances) - len(kept)
        self._utterances = deque(kept)
        return forgotten


def _passed(place: Tick, mark: Mark, taken: Tick) -> bool:
    """A mark ends what is before it; a sentence begins with a sample."""
    return place < taken if isinstance(mark, Sentence) else place <= taken


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
