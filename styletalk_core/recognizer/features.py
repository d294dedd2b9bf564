"""Causal log-mel features: 80 bands, 25 ms window, 10 ms hop, level normalised by the audio so far.

A frame ends with the newest sample, so there is no look-ahead. The same functions serve one stream, a batch of streams
and training. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.recognizer.affine import Affine, affine, exact
from styletalk_core.recognizer.spectrum import Basis, hann_basis, power_spectrum

HOP: Final = 160
"""Samples between frames (10 ms)."""
WINDOW_SAMPLES: Final = 400
"""Samples per frame (25 ms)."""
OVERLAP: Final = WINDOW_SAMPLES - HOP
"""Previous samples needed by the next frame."""
MELS: Final = 80
MIN_HZ: Final = 40.0
MAX_HZ: Final = 7800.0
FFT: Final = 512
BINS: Final = range(1, 253)
"""Computed bins of the spectrum: all that contribute to a band, padded to a multiple of four."""
MIN_DB: Final = -100.0
"""Lower limit of band power; quieter bands count as digital silence."""
MIN_POWER: Final = np.float32(10 ** (MIN_DB / 10))

FIRST_LEVEL_DB: Final = -55.0
MIN_LEVEL_DB: Final = -65.0
ATTACK: Final = 0.15
"""Share of the difference to a louder frame by which the level rises per hop."""
RELEASE_DB: Final = 0.05
"""Decibels by which the level falls per hop if the frame is quieter (5 dB/s)."""


@dataclass(slots=True)
class FeatureState:
    """State of B streams: tail (B, 240) float32 samples, level (B,) float32 dB."""

    tail: NDArray[np.float32]
    level: NDArray[np.float32]

    @classmethod
    def zeros(cls, batch: int) -> "FeatureState":
        """The initial state: silence."""
        return cls(np.zeros((batch, OVERLAP), np.float32), np.full(batch, FIRST_LEVEL_DB, np.float32))

    @classmethod
    def joined(cls, states: "Sequence[FeatureState]") -> "FeatureState":
        """Concatenates the states of all streams."""
        return cls(np.concatenate([state.tail for state in states]), np.concatenate([state.level for state in states]))

    def of(self, stream: int) -> "FeatureState":
        """The state of one stream of the batch."""
        return FeatureState(self.tail[stream : stream + 1], self.level[stream : stream + 1])


def extract(samples: NDArray[np.float32], state: FeatureState) -> tuple[NDArray[np.float32], FeatureState]:
    """Computes the features of new samples.

    Args:
        samples: (B, 160 n) float32, 16 kHz.
        state: state after the previous samples.

    Returns:
        (B, n, 80) float32 and the new state.
    """
    heard = np.concatenate([state.tail, samples], axis=1)
    decibels = np.empty((len(heard), samples.shape[1] // HOP, MELS), np.float32)
    features, level = np.empty_like(decibels), state.level.copy()
    _extract(heard, *_tables(), level, decibels, features)
    return features, FeatureState(heard[:, -OVERLAP:], level)


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Band power of samples (..., 240 + 160 n) -> (..., n, 80) float32, dB relative to a full-scale sine."""
    heard = np.ascontiguousarray(samples, np.float32).reshape(-1, samples.shape[-1])
    decibels = np.empty((len(heard), (heard.shape[1] - OVERLAP) // HOP, MELS), np.float32)
    _log_mel(heard, *_tables(), decibels)
    return decibels.reshape(*samples.shape[:-1], *decibels.shape[1:])


def normalise_level(
    decibels: NDArray[np.float32], level: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Removes the running level, with a fast attack, a slow release and no look-ahead.

    Args:
        decibels: (B, n, 80) float32 band power.
        level: (B,) float32 dB before the first frame.

    Returns:
        (B, n, 80) float32 features of about unit scale, and the level after the last frame.
    """
    features, after = np.empty_like(decibels, np.float32), level.copy()
    _normalise_level(decibels, after, features)
    return features, after


@numba.njit(nogil=True, cache=True)
def _extract(samples: Any, basis: Any, filters: Any, levels: Any, decibels: Any, features: Any) -> None:
    _log_mel(samples, basis, filters, decibels)
    _normalise_level(decibels, levels, features)


@numba.njit(nogil=True, cache=True)
def _log_mel(samples: Any, basis: Any, filters: Any, decibels: Any) -> None:
    """Fills decibels (B, n, 80) from samples (B, 240 + 160 n)."""
    frames, bins = decibels.shape[1], len(basis.cosines.weights)
    power, bands = np.empty((frames, bins), np.float32), np.empty((frames, MELS), np.float32)
    for stream in range(len(samples)):
        power_spectrum(samples[stream], HOP, basis, power)
        affine(power, filters, bands)
        for frame in range(frames):
            for band in range(MELS):
                decibels[stream, frame, band] = 10 * math.log10(bands[frame, band] + MIN_POWER)


@numba.njit(nogil=True, cache=True)
def _normalise_level(decibels: Any, levels: Any, features: Any) -> None:
    """Fills features (B, n, 80) from decibels of the same shape and updates levels (B,)."""
    for stream in range(len(decibels)):
        level = levels[stream]
        for frame in range(decibels.shape[1]):
            power = np.float32(0)
            for value in decibels[stream, frame]:
                power += 10 ** (value / np.float32(10))
            rise = np.float32(10 * math.log10(power / MELS)) - level
            level = np.float32(max(level + (ATTACK * rise if rise > 0 else -RELEASE_DB), MIN_LEVEL_DB))
            for band in range(MELS):
                feature = (decibels[stream, frame, band] - level + 15) / 15
                features[stream, frame, band] = max(feature, -3)
        levels[stream] = level


@cache
def _tables() -> tuple[Basis, Affine]:
    """Basis of the spectrum, and filter bank (80, 252) scaled so that a full-scale sine has 0 dB."""
    return hann_basis(WINDOW_SAMPLES, FFT, BINS), exact(_filters()[BINS.start : BINS.stop].T)


def _filters() -> NDArray[np.float64]:
    """Triangular filters (257, 80) of equal width on the mel scale."""
    mel = np.linspace(_hz_to_mel(MIN_HZ), _hz_to_mel(MAX_HZ), MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.arange(FFT // 2 + 1) * SPEECH_RATE / FFT
    rising = (bins[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins[:, None]) / np.diff(edges)[1:]
    whole = np.hanning(WINDOW_SAMPLES + 1).sum()
    filters = np.maximum(0, np.minimum(rising, falling)) / (whole / 2) ** 2
    narrow = filters.sum(axis=0) == 0
    filters[np.abs(bins[:, None] - edges[1:-1]).argmin(axis=0)[narrow], np.flatnonzero(narrow)] = 4 / whole**2
    return np.asarray(filters)


def _hz_to_mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
