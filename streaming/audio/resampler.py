"""Resampler from a client's sample rate to the session's 48 kHz.

Pure and causal: the output does not depend on how the audio is split, and n samples become ceil(n * 48000 / rate).
"""

from functools import lru_cache
from math import ceil, gcd
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from streaming.errors import StreamingError
from streaming.units import TICK_RATE, Tick

MIN_RATE: Final = 4_000
MAX_RATE: Final = 96_000
TAPS_PER_PHASE: Final = 20
PASSBAND: Final = 0.92
"""Share of the lower one of the two Nyquist frequencies that passes."""
MAX_PHASES: Final = 1_024
"""Rates with a larger denominator use the nearest of as many phases, an error below -70 dB for speech."""
BLOCK_TICKS: Final = TICK_RATE // 20
"""Output computed at a time, so that the windows stay in the cache."""


class UnsupportedAudio(StreamingError, ValueError):
    """Audio in a format or at a rate that cannot be taken; the message says which can."""

    code = "bad_message"
    status = 400


class Resampler:
    """(n,) int16 at ``rate`` to int16 at 48 kHz by a polyphase windowed-sinc filter.

    The filter delays by ten samples of the lower one of the two rates, 0.2 to 2.5 ms.
    """

    def __init__(self, rate: int) -> None:
        """Raises: UnsupportedAudio: the rate is not from `MIN_RATE` to `MAX_RATE`."""
        if not MIN_RATE <= rate <= MAX_RATE:
            raise UnsupportedAudio(f"the sample rate must be from {MIN_RATE} to {MAX_RATE}, not {rate}")
        divisor = gcd(TICK_RATE, rate)
        self.rate = rate
        self._up, self._down = TICK_RATE // divisor, rate // divisor
        self._phases = _phases(self._up, self._down)
        self._tail = np.zeros(self._phases.shape[1] - 1, np.float32)
        self._next = 0
        """Position of the next output sample after the input so far, in 1/``_up`` of an input sample."""

    def ticks(self, samples: int) -> Tick:
        """Return the number of output samples that the next ``samples`` input samples give."""
        return max(0, -((self._next - samples * self._up) // self._down))

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Filters ``samples`` (n,) to about (n * 48000 / rate,)."""
        if self.rate == TICK_RATE or not len(samples):
            return samples
        signal = np.concatenate([self._tail, samples.astype(np.float32)])
        count, first = self.ticks(len(samples)), self._next
        self._tail = signal[len(signal) - len(self._tail) :]
        self._next = first + count * self._down - len(samples) * self._up
        pcm = np.empty(count, np.int16)
        for start in range(0, count, BLOCK_TICKS):
            block = pcm[start : start + BLOCK_TICKS]
            self._filter(signal, first + start * self._down, block)
        return pcm

    def _filter(self, signal: NDArray[np.float32], position: int, output: NDArray[np.int16]) -> None:
        """Fills ``output`` from ``position`` on, in 1/``_up`` of an input sample of ``signal``."""
        positions = position + np.arange(len(output)) * self._down
        phases = self._phases[positions % self._up * len(self._phases) // self._up]
        windows = sliding_window_view(signal, self._phases.shape[1])[positions // self._up]
        output[:] = np.clip(np.rint(np.einsum("nt,nt->n", windows, phases)), -32_768, 32_767)


@lru_cache(maxsize=16)
def _phases(up: int, down: int) -> NDArray[np.float32]:
    """Return the filter's phases (P, T) for a ratio of ``up`` / ``down``, oldest sample first."""
    count = min(up, MAX_PHASES)
    ratio = min(1.0, up / down)
    taps = ceil(TAPS_PER_PHASE / ratio)
    time = (np.arange(taps * count) - (taps * count - 1) / 2) / count
    kernel = np.sinc(PASSBAND * ratio * time) * np.hamming(taps * count)
    phases = kernel.reshape(taps, count).T[:, ::-1]
    return np.ascontiguousarray(phases / phases.sum(axis=1, keepdims=True), np.float32)
