"""The delay line of the returned sound and the way down to the recognizer's sample rate.

Pure. What was never written is silence; what was read is silence when its place is used again.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.units import FULL_SCALE, Tick


class AudioRing:
    """Holds the last ``capacity`` ticks of int16 sound at 48 kHz, addressed by tick."""

    def __init__(self, capacity: Tick = 1 << 17) -> None:
        self._samples = np.zeros(capacity, dtype=np.int16)
        self._capacity = capacity
        self.end: Tick = 0
        """Tick after the newest sample ever written."""

    def _places(self, start: Tick, count: int) -> NDArray[np.intp]:
        return np.arange(start, start + count) % self._capacity

    def write(self, start: Tick, samples: NDArray[np.int16]) -> None:
        """Stores ``samples`` (n,) at ticks ``start``..; n must not exceed the capacity."""
        self._samples[self._places(start, len(samples))] = samples
        self.end = max(self.end, start + len(samples))

    def peek(self, start: Tick, count: int) -> NDArray[np.int16]:
        """The samples of ``count`` ticks from ``start`` on."""
        return self._samples[self._places(start, count)]

    def take(self, start: Tick, count: int) -> NDArray[np.int16]:
        """Like `peek`, and forgets them."""
        places = self._places(start, count)
        samples = self._samples[places]
        self._samples[places] = 0
        return samples

    def silence(self, start: Tick, end: Tick) -> None:
        """Forgets the ticks from ``start`` up to ``end``."""
        self._samples[self._places(start, min(end - start, self._capacity))] = 0

    def level(self, start: Tick, count: int) -> float:
        """Root mean square of ``count`` ticks from ``start`` on, full scale = 1."""
        samples = self.peek(start, count).astype(np.float32)
        return float(np.sqrt(np.mean(samples * samples))) / FULL_SCALE
