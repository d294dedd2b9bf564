"""How much longer than planned a session's delay D has to be, because its pictures take longer than planned.

Pure: time is an argument. What is wanted follows from when pictures were ready; it is given in steps of 10 ms, one per
packet while nobody speaks, else so slowly that a receiver stretches the sound by a few per cent.
Sound and picture move together, and no sample is lost.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from streaming.units import Tick

DELAY_STEP: Tick = 480  # 10 ms
MAX_ADDED_DELAY_TICKS: Tick = 4_800
"""100 ms more than planned."""
GROWING: Final = 10
"""Pictures that are looked at for more delay."""
SHRINKING: Final = 90
"""Pictures that are looked at for less."""
OUTLIERS: Final = 3
"""The latest of them, which are forgiven: a stall makes one picture late, and some more behind what has waited."""
SECONDS_BETWEEN_GROWTHS: Final = 0.15
SECONDS_BETWEEN_SHRINKS: Final = 0.5
"""While somebody speaks."""


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
    """One session's."""

    def __init__(self) -> None:
        self.added: Tick = 0
        """Ticks by which D is longer than planned."""
        self._needed: deque[Tick] = deque(maxlen=SHRINKING)
        self._stepped = float("-inf")

    @property
    def exhausted(self) -> bool:
        """True when D is as long as it may become."""
        return self.added >= MAX_ADDED_DELAY_TICKS

    def ready(self, lateness: Tick) -> None:
        """A picture was ready ``lateness`` ticks after it was due, before when negative."""
        self._needed.append(lateness + self.added)

    def step(self, now: float, quiet: bool) -> Tick:
        """Ticks by which D has to become longer from this packet on, shorter when negative; 0 most of the time.

        Args:
            now: seconds on the session's clock.
            quiet: nobody is heard right now.
        """
        grown, shrunk = self._wanted(GROWING), self._wanted(SHRINKING)
        full = len(self._needed) == SHRINKING
        ticks = grown - self.added if grown > self.added else min(shrunk - self.added, 0) * full
        pause = 0.0 if quiet else SECONDS_BETWEEN_GROWTHS if ticks > 0 else SECONDS_BETWEEN_SHRINKS
        if not ticks or now - self._stepped < pause:
            return 0
        step = DELAY_STEP if ticks > 0 else -DELAY_STEP
        self._stepped = now
        self.added += step
        return step

    def _wanted(self, pictures: int) -> Tick:
        """What would have sufficed for the last so many pictures, but for outliers, in whole steps."""
        recent = sorted(list(self._needed)[-pictures:])
        if len(recent) <= OUTLIERS:
            return 0
        steps = math.ceil(recent[-1 - OUTLIERS] / DELAY_STEP)
        return min(max(steps * DELAY_STEP, 0), MAX_ADDED_DELAY_TICKS)
