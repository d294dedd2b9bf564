"""Causal log-mel features: 80 bands, 25 ms window, 10 ms hop, level normalised by what was heard so far.

A frame ends with the newest sample, so nothing is looked ahead. The same functions serve one stream, a batch
of streams and training. Pure.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE

HOP: Final = 160
"""Samples between frames: 10 ms."""
WINDOW_SAMPLES: Final = 400
"""Samples in a frame: 25 ms."""
OVERLAP: Final = WINDOW_SAMPLES - HOP
"""Old samples that the next frame needs."""
MELS: Final = 80
LOWEST_HZ: Final = 40.0
HIGHEST_HZ: Final = 7800.0
FFT: Final = 512
QUIETEST_DB: Final = -100.0
"""Band power below this is not told apart from digital silence."""

FIRST_LEVEL_DB: Final = -55.0
LOWEST_LEVEL_DB: Final = -65.0
ATTACK: Final = 0.15
"""Share of the distance to a louder frame that the level makes up in one hop."""
RELEASE_DB: Final = 0.05
"""Decibels that the level falls in one hop under a quieter frame: 5 dB/s."""


@dataclass(slots=True)
class FeatureState:
    """What B streams remember: tail (B, 240) float32 samples, level (B,) float32 dB."""

    tail: NDArray[np.float32]
    level: NDArray[np.float32]

    @classmethod
    def zeros(cls, batch: int) -> "FeatureState":
        """The state before the first sample: silence."""
        return cls(np.zeros((batch, OVERLAP), np.float32), np.full(batch, FIRST_LEVEL_DB, np.float32))


def extract(samples: NDArray[np.float32], state: FeatureState) -> tuple[NDArray[np.float32], FeatureState]:
    """Features of new samples.

    Args:
        samples: (B, 160 n) float32, 16 kHz.
        state: of the samples before these.

    Returns:
        (B, n, 80) float32 and the new state.
    """
    heard = np.concatenate([state.tail, samples], axis=1)
    features, level = normalise_level(log_mel(heard), state.level)
    return features, FeatureState(heard[:, -OVERLAP:], level)


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Band power of samples (..., 240 + 160 n) -> (..., n, 80) float32, dB under a full-scale sine."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES, axis=-1)[..., ::HOP, :]
    window, filters = _tables()
    spectrum = np.fft.rfft(frames * window, FFT)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ filters
    return np.asarray(10 * np.log10(power + np.float32(10 ** (QUIETEST_DB / 10))), np.float32)


def normalise_level(
    decibels: NDArray[np.float32], level: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Removes the running level: fast up, slowly down, never looking ahead.

    Args:
        decibels: (B, n, 80) float32 band power.
        level: (B,) float32 dB before the first frame.

    Returns:
        (B, n, 80) float32 features of about unit scale, and the level after the last frame.
    """
    loudness = 10 * np.log10(np.mean(10 ** (decibels / np.float32(10)), axis=-1))
    levels = np.empty_like(loudness)
    for frame in range(decibels.shape[1]):
        rise = loudness[:, frame] - level
        level = np.maximum(level + np.where(rise > 0, ATTACK * rise, -RELEASE_DB), LOWEST_LEVEL_DB).astype(np.float32)
        levels[:, frame] = level
    return np.maximum((decibels - levels[..., None] + 15) / np.float32(15), np.float32(-3)), level


@cache
def _tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Window (400,) and filter bank (257, 80), scaled so that a full-scale sine has 0 dB."""
    window = np.hanning(WINDOW_SAMPLES + 1)[:-1]
    mel = np.linspace(_hz_to_mel(LOWEST_HZ), _hz_to_mel(HIGHEST_HZ), MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.arange(FFT // 2 + 1) * SPEECH_RATE / FFT
    rising = (bins[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins[:, None]) / np.diff(edges)[1:]
    filters = np.maximum(0, np.minimum(rising, falling)) / (window.sum() / 2) ** 2
    narrow = filters.sum(axis=0) == 0
    filters[np.abs(bins[:, None] - edges[1:-1]).argmin(axis=0)[narrow], np.flatnonzero(narrow)] = 4 / window.sum() ** 2
    return window.astype(np.float32), filters.astype(np.float32)


def _hz_to_mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
