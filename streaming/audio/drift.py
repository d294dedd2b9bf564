"""Clock drift compensation: slips the playback clock so that audio neither arrives late nor accumulates.

Pure. The sender's clock differs from ours by up to a few hundred ppm, and the network delay may change. The lateness of
every packet is measured against the clock; the slip follows its minimum (clock drift) and, if jitter exceeds the
receive allowance, its 95th percentile.
"""

import numpy as np

from streaming.units import PACKET_TICKS, Tick

WINDOW_PACKETS = 100  # two seconds
FIRST_WINDOW_PACKETS = 25
TOLERANCE: Tick = 240  # 5 ms
MAX_SLIP_TICKS: Tick = PACKET_TICKS
DISPLACED: Tick = 5 * PACKET_TICKS
MAX_JUMP_TICKS: Tick = 10 * PACKET_TICKS
"""An offset above `DISPLACED` is not drift: the network path has changed. The same holds at the start, when packets
buffered during connection setup arrive in a burst."""
URGENT: Tick = PACKET_TICKS
"""Larger slips do not wait for silence."""


class DriftFollower:
    """Tracks the lateness of one session's packets.

    Args:
        allowance: lateness covered by the delay D, in ticks.
    """

    def __init__(self, allowance: Tick) -> None:
        self._allowance = allowance
        self._lateness: list[Tick] = []
        self._needed = FIRST_WINDOW_PACKETS
        self._starting = True
        self._due: Tick = 0

    def arrived(self, lateness: Tick, quiet: bool) -> Tick:
        """Records a packet that arrived ``lateness`` ticks after the clock expected it.

        Args:
            quiet: nobody is speaking, so that a slip is inaudible.

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
        """Return the offset over the last window in ticks, 0 if within the tolerance.

        A stall makes many packets late but soon passes, so jitter moves the clock by at most one packet at a time.
        """
        window = np.array(self._lateness)
        ticks = int(window.min())
        if not self._starting:
            jitter = round(float(np.percentile(window, 95))) - self._allowance
            ticks = max(ticks, min(jitter, MAX_SLIP_TICKS))
        return ticks if abs(ticks) > TOLERANCE else 0
