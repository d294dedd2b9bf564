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

    def _spans(self, start: Tick, count: int) -> tuple[slice, slice]:
        """Return where ``count`` ticks from ``start`` on lie: up to the end of the buffer, and from its beginning."""
        first = start % self._capacity
        wrapped = max(first + count - self._capacity, 0)
        return slice(first, first + count - wrapped), slice(0, wrapped)

    def write(self, start: Tick, samples: NDArray[np.int16]) -> None:
        """Writes ``samples`` (n,) from tick ``start`` on; n must not exceed the capacity."""
        before, after = self._spans(start, len(samples))
        split = before.stop - before.start
        self._samples[before], self._samples[after] = samples[:split], samples[split:]
        self.end = max(self.end, start + len(samples))

    def peek(self, start: Tick, count: int) -> NDArray[np.int16]:
        """Return ``count`` samples from tick ``start`` on."""
        return np.concatenate([self._samples[span] for span in self._spans(start, count)])

    def take(self, start: Tick, count: int) -> NDArray[np.int16]:
        """Like `peek`, and clears them."""
        samples = self.peek(start, count)
        self.silence(start, start + count)
        return samples

    def silence(self, start: Tick, end: Tick) -> None:
        """Clears the ticks from ``start`` up to ``end``."""
        for span in self._spans(start, min(max(end - start, 0), self._capacity)):
            self._samples[span] = 0

    def level(self, start: Tick, count: int) -> float:
        """Return the RMS of ``count`` ticks from ``start`` on, full scale = 1."""
        samples = self.peek(start, count).astype(np.float32)
        return float(np.sqrt(np.dot(samples, samples) / count)) / FULL_SCALE
