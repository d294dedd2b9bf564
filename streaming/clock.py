"""Media clock: maps session ticks to wall-clock time. The only module that reads the wall clock.

Runs on: event loop. The clock counts microphone samples; the wall clock only determines when they are due. Slips keep
it aligned with the microphone's clock, and changes of the delay shift playback; both affect audio and video alike.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from streaming.units import TICK_RATE, Tick

EARLY = 0.0005  # seconds; event loop timers have a resolution of one millisecond


def monotonic() -> float:
    """Seconds on the monotonic clock."""
    return time.monotonic()


def unix_seconds() -> float:
    """Seconds since 1970, for times that must be comparable across machines."""
    return time.time()


class MediaClock:
    """Maps ticks to points in time.

    Args:
        delay: ticks between the capture of a sample and its playback (D); may be changed at any time.
        now: returns seconds on a monotonic clock.
        sleep: sleeps for a number of seconds on that clock.
    """

    def __init__(
        self,
        delay: Tick,
        now: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.delay = delay
        self.now = now
        self._sleep = sleep
        self._anchor: float | None = None
        self._unix_offset = 0.0
        self.slipped: Tick = 0

    @property
    def anchor(self) -> float:
        """Time at which tick 0 was captured.

        Raises:
            RuntimeError: the clock has not been started.
        """
        if self._anchor is None:
            raise RuntimeError("the media clock has not been started")
        return self._anchor

    @property
    def started(self) -> bool:
        return self._anchor is not None

    def start(self, preroll: Tick = 0) -> None:
        """Schedules tick 0 for playback in ``preroll`` ticks; audio captured now has tick ``delay - preroll``."""
        self._anchor = self.now() + (preroll - self.delay) / TICK_RATE
        self._unix_offset = time.time() - self.now()

    def capture_tick(self) -> Tick:
        """Tick of the audio being captured now."""
        return round((self.now() - self.anchor) * TICK_RATE)

    def deadline(self, tick: Tick) -> float:
        """Time at which ``tick`` is played."""
        return self.anchor + (tick + self.delay) / TICK_RATE

    def unix_deadline(self, tick: Tick) -> float:
        """Like `deadline`, in seconds since 1970; the offset is taken once, when the clock starts."""
        return self._unix_offset + self.deadline(tick)

    async def wait_until(self, moment: float) -> None:
        """Sleeps until ``moment``; returns at once if it has passed."""
        while (remaining := moment - self.now()) > EARLY:
            await self._sleep(remaining)

    def slip(self, ticks: Tick) -> None:
        """Shifts all further playback by ``ticks``: later if positive, earlier if negative."""
        self._anchor = self.anchor + ticks / TICK_RATE
        self.slipped += ticks
