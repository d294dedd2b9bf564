"""Elastic delay: extends the delay D of a session while its frames take longer than planned.

Pure: time is an argument. The extension follows from when frames were ready. It changes in steps of 10 ms: up to 10 a
second in silence; during speech so slowly that the receiver stretches the audio by a few percent only. Audio and video
move together, and no sample is lost.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from streaming.units import Tick

DELAY_STEP: Tick = 480  # 10 ms
MAX_ADDED_DELAY_TICKS: Tick = 4_800
"""Maximum extension: 100 ms."""
GROWING: Final = 10
"""Number of recent frames considered for increasing the delay."""
SHRINKING: Final = 90
"""Number of recent frames considered for decreasing the delay."""
OUTLIERS: Final = 3
"""Number of latest frames ignored: a stall delays one frame and a few after it."""
SECONDS_BETWEEN_GROWTHS: Final = 0.4
"""During speech. A receiver stretches audio by some 25 ms a second; faster growth drains its jitter buffer, and what it
inserts for missing audio delays the audio against the video."""
SECONDS_BETWEEN_SHRINKS: Final = 0.5
"""During speech."""
SECONDS_BETWEEN_STEPS_IN_SILENCE: Final = 0.1


@dataclass(slots=True)
class DelaySeen:
    """The delay D of a session in ticks: when it began, at its largest, and now."""

    first: Tick
    largest: Tick
    last: Tick

    @classmethod
    def of(cls, delay: Tick) -> "DelaySeen":
        """That of a session which begins with ``delay``."""
        return cls(delay, delay, delay)

    def follow(self, delay: Tick) -> None:
        """The delay is ``delay`` from now on."""
        self.last = delay
        self.largest = max(self.largest, self.last)


class ElasticDelay:
    """Delay extension of one session."""

    def __init__(self) -> None:
        self.added: Tick = 0
        """Ticks by which D exceeds the planned delay."""
        self._needed: deque[Tick] = deque(maxlen=SHRINKING)
        self._stepped = float("-inf")

    @property
    def exhausted(self) -> bool:
        """True when D has reached its maximum."""
        return self.added >= MAX_ADDED_DELAY_TICKS

    def ready(self, lateness: Tick) -> None:
        """Records a frame that was ready ``lateness`` ticks after its due time; negative if early."""
        self._needed.append(lateness + self.added)

    def step(self, now: float, quiet: bool) -> Tick:
        """Return the ticks by which D changes from this packet on; negative to shorten, mostly 0.

        Args:
            now: seconds on the session's clock.
            quiet: nobody is speaking.
        """
        ticks = max(self._wanted(GROWING) - self.added, 0)
        if not ticks and self.added and len(self._needed) == SHRINKING:
            ticks = min(self._wanted(SHRINKING) - self.added, 0)
        pause = (
            SECONDS_BETWEEN_STEPS_IN_SILENCE
            if quiet
            else SECONDS_BETWEEN_GROWTHS
            if ticks > 0
            else SECONDS_BETWEEN_SHRINKS
        )
        if not ticks or now - self._stepped < pause:
            return 0
        step = DELAY_STEP if ticks > 0 else -DELAY_STEP
        self._stepped = now
        self.added += step
        return step

    def _wanted(self, frames: int) -> Tick:
        """Return the extension, in whole steps, sufficient for the last ``frames`` frames except outliers."""
        recent = sorted(list(self._needed)[-frames:])
        if len(recent) <= OUTLIERS:
            return 0
        steps = math.ceil(recent[-1 - OUTLIERS] / DELAY_STEP)
        return min(max(steps * DELAY_STEP, 0), MAX_ADDED_DELAY_TICKS)
