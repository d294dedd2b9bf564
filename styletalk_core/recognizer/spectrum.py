"""Power spectra of overlapping frames, computed only for the bins needed.

The power of a bin does not depend on where time begins. Counted from the middle of a frame, where the window is
symmetric, the real part needs only sums of samples at equal distance and the imaginary part only differences: two
small matrix products for the few frames of a step, where a fast transform would cost more in calls than in sums.

Runs on: any thread; pure.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from styletalk_core.recognizer.affine import REORDERED, Affine, affine, exact


class Basis(NamedTuple):
    """Windowed waves (bins, window / 2), bins padded as `affine` pads them."""

    cosines: Affine
    sines: Affine


def hann_basis(window_samples: int, period: int, bins: range) -> Basis:
    """Of frames of ``window_samples`` under a Hann window, in the ``bins`` of a transform of ``period`` points."""
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
