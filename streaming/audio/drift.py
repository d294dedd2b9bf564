"""Follows the microphone's clock: how far the playback anchor must slip so that sound is neither late nor hoarded.

Pure. The sender's crystal differs from ours by up to a few hundred millionths, and a network path may become longer.
Lateness is measured per packet against the clock; what counts is its minimum (clock drift) and, on a path that
jitters more than the receive allowance covers, its 95th percentile.
"""

import numpy as np

from streaming.units import PACKET_TICKS, Tick

WINDOW_PACKETS = 100  # two seconds
FIRST_WINDOW_PACKETS = 25
TOLERANCE: Tick = 240  # 5 ms
MAX_SLIP_TICKS: Tick = PACKET_TICKS
DISPLACED: Tick = 5 * PACKET_TICKS
MAX_JUMP_TICKS: Tick = 10 * PACKET_TICKS
"""Sound that is off by more than `DISPLACED` has not drifted there: the path has changed. The same holds at the start,
when packets that waited for the connection come in a burst."""
URGENT: Tick = PACKET_TICKS
"""Beyond this the slip does not wait for silence."""


class DriftFollower:
    """Watches the lateness of one session's packets.

    Args:
        allowance: lateness that the delay D has room for.
    """

    def __init__(self, allowance: Tick) -> None:
        self._allowance = allowance
        self._lateness: list[Tick] = []
        self._needed = FIRST_WINDOW_PACKETS
        self._starting = True
        self._due: Tick = 0

    def arrived(self, lateness: Tick, quiet: bool) -> Tick:
        """One packet has come ``lateness`` ticks after the clock expected it.

        Args:
            quiet: nobody is heard right now, a slip would not be noticed.

        Returns:
            Ticks to slip by: positive plays later; 0 most of the time.
        """
        self._lateness.append(lateness)
        if len(self._lateness) == self._needed:
            self._due = self._off_by()
            self._lateness.clear()
            self._needed = WINDOW_PACKETS
        if not self._due or not (quiet or abs(self._due) > URGENT):
            return 0
        largest = MAX_JUMP_TICKS if self._starting or abs(self._due) > DISPLACED else MAX_SLIP_TICKS
        slip = int(np.clip(self._due, -largest, largest))
        self._due = 0
        self._starting = False
        self._lateness.clear()
        return slip

    def _off_by(self) -> Tick:
        """What the last window says, 0 when it is within the tolerance.

        A stall makes many packets late and soon passes, so jitter moves the clock by no more than a packet at a time.
        """
        window = np.array(self._lateness)
        ticks = int(window.min())
        if not self._starting:
            jitter = round(float(np.percentile(window, 95))) - self._allowance
            ticks = max(ticks, min(jitter, MAX_SLIP_TICKS))
        return ticks if abs(ticks) > TOLERANCE else 0
