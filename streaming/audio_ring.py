"""The delay line of the returned sound and the way down to the recognizer's sample rate.

Pure. What was never written is silence; what was read is silence when its place is used again.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.media import MODEL_SAMPLE_TICKS, Tick

FULL_SCALE = 32_768.0
FILTER_TAPS = 61
FILTER_CUTOFF = 0.15  # cycles per sample, 7.2 kHz; 800 Hz of transition below the new Nyquist frequency


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


class Decimator:
    """48 kHz int16 to 16 kHz float32, causal: output sample k depends on input up to sample 3k.

    A windowed-sinc low-pass delays the sound by 30 ticks (0.6 ms).
    """

    def __init__(self) -> None:
        time = np.arange(FILTER_TAPS) - FILTER_TAPS // 2
        kernel = np.sinc(2 * FILTER_CUTOFF * time) * np.hamming(FILTER_TAPS)
        self._kernel = (kernel / kernel.sum() / FULL_SCALE).astype(np.float32)
        self._tail = np.zeros(FILTER_TAPS - 1, dtype=np.float32)

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Filters ``samples`` (n,), n a multiple of 3, to (n/3,).

        Raises:
            ValueError: n is not a multiple of 3.
        """
        if len(samples) % MODEL_SAMPLE_TICKS:
            raise ValueError(f"{len(samples)} samples are not a multiple of {MODEL_SAMPLE_TICKS}")
        signal = np.concatenate([self._tail, samples.astype(np.float32)])
        self._tail = signal[-(FILTER_TAPS - 1) :]
        return np.convolve(signal, self._kernel, mode="valid")[::MODEL_SAMPLE_TICKS]
