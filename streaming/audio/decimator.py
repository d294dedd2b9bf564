"""Decimator from the session's 48 kHz to a lower rate, by default the recognizer's 16 kHz. Pure."""

import numpy as np
from numpy.typing import NDArray

from streaming.units import FULL_SCALE, MODEL_SAMPLE_TICKS

FILTER_TAPS = 61


FILTER_CUTOFF = 0.45  # cycles per output sample, 7.2 kHz at 16 kHz; 800 Hz of transition below its Nyquist frequency


class Decimator:
    """48 kHz int16 to float32 at a ``factor``-th of that, causal: sample k depends on input up to sample factor * k.

    The windowed-sinc low-pass filter delays the audio by 30 ticks (0.6 ms).
    """

    def __init__(self, factor: int = MODEL_SAMPLE_TICKS) -> None:
        self._factor = factor
        time = np.arange(FILTER_TAPS) - FILTER_TAPS // 2
        kernel = np.sinc(2 * FILTER_CUTOFF / factor * time) * np.hamming(FILTER_TAPS)
        self._kernel = (kernel / kernel.sum() / FULL_SCALE).astype(np.float32)
        self._tail = np.zeros(FILTER_TAPS - 1, dtype=np.float32)

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Filters ``samples`` (n,), n a multiple of the factor, to (n / factor,).

        Raises:
            ValueError: n is not a multiple of the factor.
        """
        if len(samples) % self._factor:
            raise ValueError(f"{len(samples)} samples are not a multiple of {self._factor}")
        signal = np.concatenate([self._tail, samples.astype(np.float32)])
        self._tail = signal[-(FILTER_TAPS - 1) :]
        return np.convolve(signal, self._kernel, mode="valid")[:: self._factor]
