"""From the microphone's sound to phones on the frame grid: down to 16 kHz, through the recognizer, onto the timeline.

Runs on: event loop, the recognizer on the worker. The recognizer counts the samples it was given and knows nothing
of gaps; this is the place where its ticks become the session's again.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.audio.decimator import Decimator
from streaming.audio.phone_timeline import SILENT_COLUMN, PhoneTimeline
from streaming.media import AudioChunk
from streaming.queues import BoundedQueue, OnFull
from streaming.scheduling.slots import SlotLease
from streaming.scheduling.worker import Worker
from streaming.units import MODEL_SAMPLE_TICKS, Tick

MAX_FILL_TICKS: Tick = 4_800
"""A gap in the sound up to 100 ms is fed to the recognizer as silence; a longer one is left out."""
PACKETS_WAITING: Final = 50
PACKETS_AT_ONCE: Final = 5
"""Of those that wait, so many are recognized in one job: the frames that wait behind it must not wait for long."""
RECOGNIZE_WITHIN = 0.01  # seconds; where sound stands among the worker's deadlines


class PhonemeStream:
    """The ears of one session.

    Args:
        worker: runs the recognizer.
        lease: the session's slot on it.
        now: seconds on the session's clock.
    """

    def __init__(self, worker: Worker, lease: SlotLease, now: Callable[[], float]) -> None:
        self.timeline = PhoneTimeline()
        self._worker = worker
        self._lease = lease
        self._now = now
        self._decimator = Decimator()
        self._waiting: BoundedQueue[AudioChunk] = BoundedQueue("microphone", PACKETS_WAITING, OnFull.DROP_OLDEST)
        self._arrived: Tick = 0
        self._stale_before: Tick = 0
        self._fed: Tick = 0
        self._cuts: deque[tuple[Tick, Tick]] = deque([(0, 0)])
        """(tick of the recognizer, what is to be added to it from there on to get the session's)."""

    def put(self, chunk: AudioChunk) -> None:
        """Takes sound in order; a short gap before it becomes silence."""
        gap = chunk.start - self._arrived
        if self._arrived and 0 < gap <= MAX_FILL_TICKS:
            self._waiting.offer(AudioChunk(self._arrived, chunk.epoch, np.zeros(gap, dtype=np.int16)))
        self._arrived = chunk.end
        self._waiting.offer(chunk)

    def forget(self, before: Tick) -> None:
        """Makes silence of everything that was spoken earlier than ``before``, recognized or not."""
        self._stale_before = before
        self.timeline.silence_all()

    async def run(self) -> None:
        """Feeds the recognizer with what has arrived, several packets at a time when they wait.

        Raises:
            EngineFailure: the recognizer failed.
        """
        while True:
            chunks = [await self._waiting.get()]
            while len(self._waiting) and len(chunks) < PACKETS_AT_ONCE:
                chunks.append(await self._waiting.get())
            audio = np.concatenate([self._feed(chunk) for chunk in chunks])
            hops = await self._worker.recognize(self._lease, audio, self._now() + RECOGNIZE_WITHIN)
            for row, (column, speech) in enumerate(zip(hops.posteriors, hops.speech, strict=True)):
                tick = self._session_tick(hops.start + row * hops.hop)
                stale = tick < self._stale_before
                self.timeline.put(tick, hops.hop, SILENT_COLUMN if stale else column, bool(speech) and not stale)

    def _feed(self, chunk: AudioChunk) -> NDArray[np.float32]:
        """Brings a chunk to 16 kHz and notes where the recognizer's ticks part from the session's."""
        usable = len(chunk.samples) - len(chunk.samples) % MODEL_SAMPLE_TICKS
        offset = chunk.start - self._fed
        if offset != self._cuts[-1][1]:
            self._cuts.append((self._fed, offset))
        self._fed += usable
        return self._decimator.push(chunk.samples[:usable])

    def _session_tick(self, tick: Tick) -> Tick:
        """The session's tick of the recognizer's; ticks must not go back."""
        while len(self._cuts) > 1 and self._cuts[1][0] <= tick:
            self._cuts.popleft()
        return tick + self._cuts[0][1]
