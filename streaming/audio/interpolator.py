"""Interpolator from a client's sample rate to the session's 48 kHz.

Pure and causal: the output does not depend on how the audio is split, and n samples become exactly n * 48000 / rate.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.units import TICK_RATE

RATES = (16_000, 24_000, 48_000)
"""Supported sample rates; each divides the tick rate."""
TAPS_PER_PHASE = 20
PASSBAND = 0.92  # share of the old Nyquist frequency that passes


class Interpolator:
    """(n,) int16 at ``rate`` to int16 at 48 kHz by a polyphase windowed-sinc filter; delays by 0.4 to 0.6 ms."""

    def __init__(self, rate: int) -> None:
        """Raises: ValueError: the rate is not one of `RATES`."""
        if rate not in RATES:
            raise ValueError(f"the sample rate must be one of {', '.join(map(str, RATES))}, not {rate}")
        self.rate = rate
        self._factor = TICK_RATE // rate
        taps = TAPS_PER_PHASE * self._factor
        time = (np.arange(taps) - (taps - 1) / 2) / self._factor
        kernel = PASSBAND * np.sinc(PASSBAND * time) * np.hamming(taps)
        phases = kernel.reshape(TAPS_PER_PHASE, self._factor).T
        self._phases = (phases / phases.sum(axis=1, keepdims=True)).astype(np.float32)
        self._tail = np.zeros(TAPS_PER_PHASE - 1, np.float32)

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Filters ``samples`` (n,) to (n * 48000 / rate,)."""
        if self._factor == 1 or not len(samples):
            return samples
        signal = np.concatenate([self._tail, samples.astype(np.float32)])
        self._tail = signal[-(TAPS_PER_PHASE - 1) :]
        raised = np.stack([np.convolve(signal, phase, mode="valid") for phase in self._phases], axis=1)
        pcm: NDArray[np.int16] = np.clip(np.rint(raised.reshape(-1)), -32_768, 32_767).astype(np.int16)
        return pcm
