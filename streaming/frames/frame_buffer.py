"""Frame buffer: releases the finished frames of one session when they are due, and measures their lateness.

Runs on: event loop. A frame that is ready late is sent late; of several overdue frames only the newest is sent.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from streaming.frames.elastic_delay import ElasticDelay
from streaming.frames.frame_clock import FrameClock
from streaming.media import RenderedFrame
from streaming.scheduling.worker import Worker
from streaming.stats import SessionStats
from streaming.units import FRAME_TICKS, STEP_TICKS, TICK_RATE, Tick

FRAMES_HELD: Final = 8
IN_TIME: Tick = 480
"""A frame sent up to 10 ms after its due time is on time."""
TROUBLING: Tick = 720
"""15 ms; beyond this, audio and video are visibly out of sync."""
UNEVEN: Final = 1.4
"""Interval between two frames, in frame periods, from which on a frame counts as missing."""
MAX_FRAMES_BEHIND: Tick = 7_200
"""150 ms; a frame later than this is re-stamped with its send time, or the receiver would buffer that long."""


@dataclass(frozen=True, slots=True)
class _Finished:
    frame: RenderedFrame
    moment: float


class FrameBuffer:
    """Frame buffer of one session.

    Args:
        frame_clock: due times of frames.
        worker: its overload ladder receives the outcome of every frame.
        delay: receives the lateness of every frame.
        stats: counters to update.
    """

    def __init__(self, frame_clock: FrameClock, worker: Worker, delay: ElasticDelay, stats: SessionStats) -> None:
        self.shown: RenderedFrame | None = None
        """The last frame sent."""
        self._grid = frame_clock
        self._worker = worker
        self._delay = delay
        self._stats = stats
        self._finished: deque[_Finished] = deque(maxlen=FRAMES_HELD)
        self._arrived = asyncio.Event()
        self._handed_out: float | None = None

    def put(self, frame: RenderedFrame) -> None:
        """Adds a finished frame; frames arrive in order."""
        self._finished.append(_Finished(frame, self._grid.clock.now()))
        self._arrived.set()

    async def next(self, epoch: Callable[[], int]) -> RenderedFrame:
        """Waits until a frame is due and ready, and returns it; skips frames of other epochs as stale."""
        clock, asked = self._grid.clock, self._grid.clock.now()
        if self.shown is not None and self._handed_out is not None:
            self._worker.ladder.sent(asked, asked - self._handed_out, self.shown.yuv.shape[1])
        while True:
            while not self._finished:
                self._arrived.clear()
                await self._arrived.wait()
            await clock.wait_until(self._grid.due(self._finished[0].frame.tick))
            if (newest := self._take(self._grid.due_by(clock.now()), epoch())) is not None:
                return self._hand_out(newest, max(asked, newest.moment))

    def _take(self, until: Tick, epoch: int) -> _Finished | None:
        """Removes the frames due; returns the newest that is not stale."""
        newest = None
        while self._finished and self._finished[0].frame.tick <= until:
            finished = self._finished.popleft()
            newest = finished if finished.frame.epoch == epoch else newest
        return newest

    def _hand_out(self, finished: _Finished, ready: float) -> RenderedFrame:
        frame, now = finished.frame, self._grid.clock.now()
        due = self._grid.due(frame.tick)
        interval = self._grid.stride if self.shown is None else frame.tick - self.shown.tick
        self._delay.ready(round((ready - due) * TICK_RATE))
        behind = round((now - due) * TICK_RATE)
        # a longer delay would not have made it punctual
        helpless = self._delay.exhausted or ready <= due or behind > MAX_FRAMES_BEHIND
        troubled = interval >= UNEVEN * self._grid.stride or (behind > TROUBLING and helpless)
        self._worker.ladder.frame(now, troubled)
        self._count(interval, behind)
        if behind > MAX_FRAMES_BEHIND:
            frame = replace(frame, tick=self._grid.due_by(now) // STEP_TICKS * STEP_TICKS)
        self.shown, self._handed_out = frame, now
        return frame

    def _count(self, interval: Tick, behind: Tick) -> None:
        stats, stride = self._stats, self._grid.stride
        stats.fresh += behind <= IN_TIME
        stats.overdue += behind > IN_TIME
        stats.missing += max(round(interval / stride) - 1, 0)
        stats.left_out += stride / FRAME_TICKS - 1
