"""Makes the pictures of a session: phones to expression, expression to motion, motion to picture.

Runs on: event loop, decoder and renderer on the worker. A frame is made because its time comes; one that is hopeless
is not begun.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.audio_ring import AudioRing
from streaming.composer import Composer
from streaming.errors import JobExpired
from streaming.frame_grid import FrameGrid
from streaming.media import CONTEXT, FRAME_TICKS, MotionFrame, VideoImage
from streaming.phone_timeline import PhoneTimeline
from streaming.queues import BoundedQueue, OnFull
from streaming.schedule import JobKind
from streaming.screen import Screen
from streaming.slots import SlotLease
from streaming.worker import Worker

SPEECH_AHEAD: Final = 3
"""Frames by which the mouth knows that speech is coming."""
MOTIONS_KEPT: Final = 8
ADAPTATION: Final = 0.1
"""Share by which one frame moves the idea of how long frames take."""
MotionTap = Callable[[MotionFrame, NDArray[np.float32]], None]


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """Speech starts (or stops) with frame ``frame``, about to be shown."""

    frame: int
    started: bool


class Animator:
    """The face of one session.

    Args:
        worker: runs decoder and renderer.
        lease: the session's slot on it.
        grid: says when frames are made.
        timeline: the phones.
        ring: the sound, for its loudness.
        screen: takes the pictures.
        seed: of the idle life.
    """

    def __init__(
        self,
        worker: Worker,
        lease: SlotLease,
        grid: FrameGrid,
        timeline: PhoneTimeline,
        ring: AudioRing,
        screen: Screen,
        seed: int,
    ) -> None:
        self.events: BoundedQueue[SpeechEvent] = BoundedQueue("speech events", 16, OnFull.DROP_OLDEST)
        self.taps: list[MotionTap] = []
        self.next_frame = 0
        """The next frame to be begun."""
        self.speaking_since: int | None = None
        """The frame with which the present speech began; None in silence."""
        self._worker = worker
        self._lease = lease
        self._grid = grid
        self._timeline = timeline
        self._ring = ring
        self._screen = screen
        self._composer = Composer(seed)
        self._motions: deque[MotionFrame] = deque(maxlen=MOTIONS_KEPT)
        self._epoch = 0
        self._usual = 0.0  # seconds that a frame takes

    async def run(self) -> None:
        """Makes every frame as its time comes.

        Raises:
            EngineFailure: decoder or renderer failed.
        """
        clock = self._grid.clock
        while True:
            index = self.next_frame = max(self.next_frame, self._grid.next(self._usual))
            await clock.wait_until(self._grid.begin(index))
            self.next_frame = index + 1
            if not self._grid.leaves_out(index):
                began = clock.now()
                with suppress(JobExpired):
                    await self._make(index)
                self._usual += ADAPTATION * (clock.now() - began - self._usual)

    def interrupt(self, epoch: int) -> None:
        """Closes the mouth from what is on screen; pictures from here on belong to ``epoch``."""
        self._epoch = epoch
        shown = -1 if self._screen.shown is None else self._screen.shown.index
        self._composer.interrupt(next((motion for motion in self._motions if motion.index == shown), None))
        if self.speaking_since is not None:
            self._tell_speech(self.next_frame, False)

    async def _make(self, index: int) -> None:
        due, epoch = self._grid.due(index), self._epoch
        window, _ = self._timeline.window(index)
        decoded = await self._worker.submit(JobKind.DECODE, self._lease, window, due)
        speech = any(self._timeline.speech(frame) for frame in range(index, index + SPEECH_AHEAD))
        if speech != (self.speaking_since is not None):
            self._tell_speech(index, speech)
        level = self._ring.level(index * FRAME_TICKS, FRAME_TICKS)
        motion = self._composer.compose(index, epoch, decoded, speech, level)
        self._motions.append(motion)
        for tap in self.taps:
            tap(motion, window[CONTEXT])
        yuv = await self._worker.submit(JobKind.RENDER, self._lease, motion, due)
        self._screen.put(VideoImage(index, epoch, yuv))

    def _tell_speech(self, index: int, started: bool) -> None:
        self.speaking_since = index if started else None
        self.events.offer(SpeechEvent(index, started))
