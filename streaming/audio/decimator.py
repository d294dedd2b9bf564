"""Decimator from the session's 48 kHz to the recognizer's 16 kHz. Pure."""

import numpy as np
from numpy.typing import NDArray

from streaming.units import FULL_SCALE, MODEL_SAMPLE_TICKS

FILTER_TAPS = 61


FILTER_CUTOFF = 0.15  # cycles per sample, 7.2 kHz; 800 Hz of transition below the new Nyquist frequency


class Decimator:
    """48 kHz int16 to 16 kHz float32, causal: output sample k depends on input up to sample 3k.

    The windowed-sinc low-pass filter delays the audio by 30 ticks (0.6 ms).
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
