"""Ring buffer that delays the audio played back to the client.

Pure. Ticks never written are silent; samples are cleared when taken.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.units import FULL_SCALE, Tick


class AudioRing:
    """Ring buffer of the last ``capacity`` ticks of int16 audio at 48 kHz, addressed by tick."""

    def __init__(self, capacity: Tick = 1 << 17) -> None:
        self._samples = np.zeros(capacity, dtype=np.int16)
        self._capacity = capacity
        self.end: Tick = 0
        """Tick after the newest sample written."""

    def _places(self, start: Tick, count: int) -> NDArray[np.intp]:
        return np.arange(start, start + count) % self._capacity

    def write(self, start: Tick, samples: NDArray[np.int16]) -> None:
        """Writes ``samples`` (n,) from tick ``start`` on; n must not exceed the capacity."""
        self._samples[self._places(start, len(samples))] = samples
        self.end = max(self.end, start + len(samples))

    def peek(self, start: Tick, count: int) -> NDArray[np.int16]:
        """Return ``count`` samples from tick ``start`` on."""
        return self._samples[self._places(start, count)]

    def take(self, start: Tick, count: int) -> NDArray[np.int16]:
        """Like `peek`, and clears them."""
        places = self._places(start, count)
        samples = self._samples[places]
        self._samples[places] = 0
        return samples

    def silence(self, start: Tick, end: Tick) -> None:
        """Clears the ticks from ``start`` up to ``end``."""
        self._samples[self._places(start, min(end - start, self._capacity))] = 0

    def level(self, start: Tick, count: int) -> float:
        """Return the RMS of ``count`` ticks from ``start`` on, full scale = 1."""
        samples = self.peek(start, count).astype(np.float32)
        return float(np.sqrt(np.mean(samples * samples))) / FULL_SCALE
