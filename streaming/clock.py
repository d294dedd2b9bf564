"""The media clock: where a tick of the session lies on the wall clock. The only reader of the wall clock.

Runs on: event loop. The clock counts the microphone's samples; the wall clock only says when they are due. It moves
against the wall clock by slips, which follow the microphone, and playback by changes of the delay as well; both shift
sound and picture alike.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from streaming.units import TICK_RATE, Tick

EARLY = 0.0005  # seconds; event loop timers have a resolution of one millisecond


def monotonic() -> float:
    """Seconds on the machine's steady clock."""
    return time.monotonic()


def unix_seconds() -> float:
    """Seconds since 1970, for what has to mean the same on every machine."""
    return time.time()


class MediaClock:
    """Maps ticks to moments.

    Args:
        delay: ticks between a sample being spoken and being played back (D); may be changed at any time.
        now: seconds on a steady clock.
        sleep: waits for a number of seconds on that clock.
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
        """Moment at which tick 0 was captured.

        Raises:
            RuntimeError: the clock was not started.
        """
        if self._anchor is None:
            raise RuntimeError("the media clock has not been started")
        return self._anchor

    @property
    def started(self) -> bool:
        return self._anchor is not None

    def start(self, preroll: Tick = 0) -> None:
        """Makes tick 0 due for playback in ``preroll`` ticks; what is spoken now has tick ``delay - preroll``."""
        self._anchor = self.now() + (preroll - self.delay) / TICK_RATE
        self._unix_offset = time.time() - self.now()

    def capture_tick(self) -> Tick:
        """Tick of the sound that is being spoken now."""
        return round((self.now() - self.anchor) * TICK_RATE)

    def deadline(self, tick: Tick) -> float:
        """Moment at which ``tick`` is played."""
        return self.anchor + (tick + self.delay) / TICK_RATE

    def unix_deadline(self, tick: Tick) -> float:
        """Like `deadline`, in seconds since 1970 by the clock as it was set when the session started."""
        return self._unix_offset + self.deadline(tick)

    async def wait_until(self, moment: float) -> None:
        """Returns at ``moment``, at once when it has passed."""
        while (remaining := moment - self.now()) > EARLY:
            await self._sleep(remaining)

    def slip(self, ticks: Tick) -> None:
        """Plays everything from here on ``ticks`` later (earlier when negative)."""
        self._anchor = self.anchor + ticks / TICK_RATE
        self.slipped += ticks
