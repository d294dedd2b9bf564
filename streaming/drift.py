"""Follows the microphone's clock: how far the playback anchor must slip so that sound is neither late nor hoarded.

Pure. The sender's crystal differs from ours by up to a few hundred millionths, and a network path may become longer.
Lateness is measured per packet against the clock; what counts is its minimum (clock drift) and, on a path that
jitters more than the receive allowance covers, its 95th percentile.
"""

import numpy as np

from streaming.media import PACKET_TICKS, Tick

WINDOW_PACKETS = 100  # two seconds
FIRST_WINDOW_PACKETS = 25
TOLERANCE: Tick = 240  # 5 ms
LARGEST_SLIP: Tick = PACKET_TICKS
LARGEST_FIRST_SLIP: Tick = 10 * PACKET_TICKS
"""A microphone often starts with a burst of packets that were waiting for the connection."""
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

    def arrived(self, lateness: Tick, quiet: bool) -> Tick:
        """One packet has come ``lateness`` ticks after the clock expected it.

        Args:
            quiet: nobody is heard right now, a slip would not be noticed.

        Returns:
            Ticks to slip by: positive plays later; 0 most of the time.
        """
        self._lateness.append(lateness)
        if len(self._lateness) < self._needed:
            return 0
        window = np.array(self._lateness[-self._needed :])
        slip = round(max(float(window.min()), float(np.percentile(window, 95)) - self._allowance))
        if abs(slip) <= TOLERANCE or not (quiet or abs(slip) > URGENT):
            del self._lateness[: len(self._lateness) - self._needed + 1]
            return 0
        largest = LARGEST_SLIP if self._needed == WINDOW_PACKETS else LARGEST_FIRST_SLIP
        self._lateness.clear()
        self._needed = WINDOW_PACKETS
        return int(np.clip(slip, -largest, largest))
