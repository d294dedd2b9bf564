"""Power spectra of overlapping frames, computed only for the required bins.

The power of a bin does not depend on the time origin. With the origin at the middle of the symmetric window, the real
part needs only sums of samples at equal distance from it, and the imaginary part only their differences. For the few
frames of a step, these two small matrix products are faster than the call overhead of an FFT.

Runs on: any thread; pure.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from styletalk_core.recognizer.affine import REORDERED, Affine, affine, exact


class Basis(NamedTuple):
    """Windowed cosines and sines (bins, window / 2), with bins padded as in `affine`."""

    cosines: Affine
    sines: Affine


def hann_basis(window_samples: int, period: int, bins: range) -> Basis:
    """The basis for Hann windows of ``window_samples``, for the ``bins`` of a ``period``-point DFT."""
    middle = window_samples // 2
    window = np.hanning(window_samples + 1)[middle:-1]
    angles = 2 * np.pi / period * np.outer(np.array(bins), np.arange(middle))
    return Basis(exact(np.cos(angles) * window), exact(np.sin(angles) * window))


@numba.njit(nogil=True, fastmath=REORDERED)
def power_spectrum(samples: Any, hop: int, basis: Any, power: Any) -> None:
    """Fills power (frames, padded bins) from samples (window + (frames - 1) hop,), all float32."""
    frames, middle = len(power), basis.cosines.weights.shape[1]
    sums, differences = np.empty((frames, middle), np.float32), np.empty((frames, middle), np.float32)
    imaginary = np.empty_like(power)
    for frame in range(frames):
        centre = frame * hop + middle
        sums[frame, 0], differences[frame, 0] = samples[centre], np.float32(0)
        for i in range(1, middle):
            later, earlier = samples[centre + i], samples[centre - i]
            sums[frame, i], differences[frame, i] = later + earlier, later - earlier
    affine(sums, basis.cosines, power)
    affine(differences, basis.sines, imaginary)
    for frame in range(frames):
        for i in range(power.shape[1]):
            power[frame, i] = power[frame, i] * power[frame, i] + imaginary[frame, i] * imaginary[frame, i]
