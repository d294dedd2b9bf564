"""Aligns the received audio and face with the spoken file.

Pure. Positions are seconds of the file, which plays in a loop; times are seconds of the page's clock.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, correlate, resample_poly, sosfiltfilt

Array = NDArray[np.float64]
RATE = 16_000
SPEECH_BAND = (120, 3_400)
WINDOW = RATE * 6 // 10
SEARCH = RATE // 2
SURE = 0.7
"""Correlation above which a window counts as found."""


@dataclass(frozen=True, slots=True)
class SoundMatch:
    """Which position of the file plays when.

    Attributes:
        times: (K,) seconds since the start of the recording, middles of windows with speech in them.
        offsets: (K,) file positions minus ``times``; constant but for what a receiver stretches.
        correlations: (K,) normalised, 1 for a perfect copy.
    """

    times: Array
    offsets: Array
    correlations: Array

    def position(self, times: Array) -> Array:
        """File positions (T,) of what plays at ``times`` (T,), not wrapped; needs a window that matched well."""
        sure = self.correlations > SURE
        return times + np.interp(times, self.times[sure], self.offsets[sure])


def band(samples: NDArray[np.floating], rate: int) -> Array:
    """(n,) at ``rate`` -> the speech band at 16 kHz."""
    slow = resample_poly(samples.astype(np.float64), RATE, rate) if rate != RATE else samples.astype(np.float64)
    return sosfiltfilt(butter(4, SPEECH_BAND, "bandpass", fs=RATE, output="sos"), slow)


def find_sound(recorded: NDArray[np.floating], file: NDArray[np.floating], rate: int) -> SoundMatch:
    """Finds every window of the recording in the looped ``file``; both (n,) at ``rate``.

    A receiver that fights for its buffer stretches time, so each window is looked for by itself, near the place that
    fits the whole recording best.
    """
    heard, spoken = band(recorded, rate), band(file, rate)
    start = int(np.argmax(_scores(np.tile(spoken, len(heard) // len(spoken) + 2), heard)[: len(spoken)]))
    looped = np.tile(spoken, (start + len(heard)) // len(spoken) + 2)
    found = []
    loud = np.sqrt(np.mean(spoken**2)) / 2
    for first in range(0, len(heard) - WINDOW, WINDOW // 4):
        window = heard[first : first + WINDOW]
        if np.sqrt(np.mean(window**2)) < loud:
            continue
        low = max(start + first - SEARCH, 0)
        scores = _scores(looped[low : start + first + SEARCH + WINDOW], window)
        best = int(np.argmax(scores))
        found.append(((first + WINDOW / 2) / RATE, (low + best - first) / RATE, scores[best]))
    return SoundMatch(*np.array(found).T)


def _scores(long: Array, short: Array) -> Array:
    """Normalised correlation of ``short`` (n,) with ``long`` (m,) at the m - n + 1 places where it fits."""
    products = correlate(long, short, mode="valid", method="fft")
    energy = np.concatenate([[0.0], np.cumsum(long**2)])
    return products / np.sqrt((energy[len(short) :] - energy[: -len(short)]) * np.sum(short**2) + 1e-12)


def sampled(times: Array, values: Array, at: Array) -> Array:
    """Linear interpolation of (T,) ``values`` with gaps left out."""
    known = np.isfinite(values)
    return np.interp(at, times[known], values[known])


@dataclass(frozen=True, slots=True)
class MotionMatch:
    """``aligned``: correlation without shift; ``best``: the highest, at ``shift`` seconds (> 0: video late)."""

    aligned: float
    best: float
    shift: float


def compare_motion(positions: Array, received: Array, expected_times: Array, expected: Array) -> MotionMatch:
    """How well the received motion follows the expected one.

    Args:
        positions: (T,) file positions of the sound that plays with each received frame.
        received: (T,) a motion curve, NaN where unknown.
        expected_times, expected: (N,) the curve of the offline result over the file.
    """
    known = np.isfinite(received)
    length = expected_times[-1] + np.median(np.diff(expected_times))

    def score(shift: float) -> float:
        wanted = sampled(expected_times, expected, (positions[known] - shift) % length)
        return float(np.corrcoef(received[known], wanted)[0, 1])

    shifts = np.arange(-0.25, 0.2501, 0.004)
    scores = np.array([score(shift) for shift in shifts])
    best = int(np.argmax(scores))
    return MotionMatch(score(0.0), float(scores[best]), float(shifts[best]))
