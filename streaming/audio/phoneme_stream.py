"""Phoneme stream: decimates microphone audio to 16 kHz, recognizes it and puts the phones on the timeline.

Runs on: event loop; the recognizer runs on the worker. The recognizer counts the samples it has received and ignores
gaps; this module converts its ticks back to session ticks.
"""

from collections import deque
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
"""Gaps of up to 100 ms are fed to the recognizer as silence; longer ones are skipped."""
PACKETS_WAITING: Final = 50


class PhonemeStream:
    """Phoneme recognition of one session.

    Args:
        worker: runs the recognizer.
        lease: the session's slot on it.
    """

    def __init__(self, worker: Worker, lease: SlotLease) -> None:
        self.timeline = PhoneTimeline()
        self._worker = worker
        self._lease = lease
        self._decimator = Decimator()
        self._waiting: BoundedQueue[AudioChunk] = BoundedQueue("microphone", PACKETS_WAITING, OnFull.DROP_OLDEST)
        self._arrived: Tick = 0
        self._stale_before: Tick = 0
        self._fed: Tick = 0
        self._cuts: deque[tuple[Tick, Tick]] = deque([(0, 0)])
        """(recognizer tick, offset to session ticks from there on)."""

    def put(self, chunk: AudioChunk) -> None:
        """Queues audio, in order; a short gap before it becomes silence."""
        gap = chunk.start - self._arrived
        if self._arrived and 0 < gap <= MAX_FILL_TICKS:
            self._waiting.offer(AudioChunk(self._arrived, chunk.epoch, np.zeros(gap, dtype=np.int16)))
        self._arrived = chunk.end
        self._waiting.offer(chunk)

    def forget(self, before: Tick) -> None:
        """Replaces all speech before tick ``before`` by silence, recognized or not."""
        self._stale_before = before
        self.timeline.silence_all()

    async def recognize(self, due: float) -> None:
        """Recognizes the queued audio in one job and puts its phones on the timeline.

        Called once per frame: the recognizer reads its weights once for all hops of a job.

        Args:
            due: deadline of the frame that needs the phones, in seconds on the session's clock.

        Raises:
            EngineFailure: the recognizer failed.
        """
        if not (chunks := self._waiting.drain()):
            return
        audio = np.concatenate([self._feed(chunk) for chunk in chunks])
        hops = await self._worker.recognize(self._lease, audio, due)
        for row, (column, speech) in enumerate(zip(hops.posteriors, hops.speech, strict=True)):
            tick = self._session_tick(hops.start + row * hops.hop)
            stale = tick < self._stale_before
            self.timeline.put(tick, hops.hop, SILENT_COLUMN if stale else column, bool(speech) and not stale)

    def _feed(self, chunk: AudioChunk) -> NDArray[np.float32]:
        """Decimates a chunk to 16 kHz and records the offset of recognizer ticks to session ticks."""
        usable = len(chunk.samples) - len(chunk.samples) % MODEL_SAMPLE_TICKS
        offset = chunk.start - self._fed
        if offset != self._cuts[-1][1]:
            self._cuts.append((self._fed, offset))
        self._fed += usable
        return self._decimator.push(chunk.samples[:usable])

    def _session_tick(self, tick: Tick) -> Tick:
        """Converts a recognizer tick to a session tick; calls must be in tick order."""
        while len(self._cuts) > 1 and self._cuts[1][0] <= tick:
            self._cuts.popleft()
        return tick + self._cuts[0][1]
