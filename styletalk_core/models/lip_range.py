"""Range of the lips in a style: how far speech moves each articulator, against the clip that the style was made of.

A network decodes speech in deviations of each coefficient of the style's clip. An articulator, such as the width of the
mouth, is a sum of coefficients, which in speech do not move together as they do in the clip: without a correction it
gets half of the clip's range in one style and all of it in another. The correction changes the deviations in the
style's code, each as little as possible, until the expected range of every articulator is `RANGE`. It costs nothing per
frame, and styles blend as before.

Runs on: any thread; pure, a millisecond a style.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.models.dimensions import Dimensions

Float = NDArray[np.float32]

RANGE: Final = 0.9
"""Deviation of each articulator in speech, as a share of that in the style's clip."""
_LIMITS: Final = (0.6, 1.8)
"""Smallest and largest factor of a coefficient's deviation."""
_RIDGE: Final = 0.05
"""Cost of a changed deviation, relative to that of a missed range."""
_ROUNDS: Final = 20
_TINY: Final = 1e-6


def with_range(code: Float, clip: Float, spread: Float, articulators: Float, dimensions: Dimensions) -> Float:
    """Return a style code (C,) with the deviations of the lower face that give the lips the range of the clip.

    Args:
        code: code of the clip, with its statistics.
        clip: (L, 64) coefficients of the style.
        spread: (13, 13) covariance of decoded speech, in deviations of the style's coefficients.
        articulators: (13, A) articulators of the lips per coefficient of the lower face.
        dimensions: dimensions of the network.
    """
    lower = list(dimensions.lower)
    places = np.array(lower) + dimensions.width + dimensions.coefficients
    deviation = np.exp(code[places]).astype(np.float64)
    expected = deviation[:, None] * spread * deviation
    wanted = RANGE * (clip[:, lower] @ articulators).std(axis=0)
    changed = code.copy()
    changed[places] += np.clip(_log_factors(expected, wanted, articulators), *np.log(_LIMITS))
    return changed


def _log_factors(expected: NDArray[np.float64], wanted: Float, articulators: Float) -> NDArray[np.float64]:
    """Return the logarithm (13,) of the factor of each coefficient, by regularised Gauss-Newton.

    Args:
        expected: (13, 13) covariance of the coefficients without a correction.
        wanted: (A,) deviations of the articulators.
        articulators: (13, A).
    """
    found = np.zeros(len(expected))
    ridge = _RIDGE * np.eye(len(expected))
    for _ in range(_ROUNDS):
        factor = np.exp(found)
        carried = (factor[:, None] * expected * factor) @ articulators
        variance = np.einsum("ka,ka->a", articulators, carried) + _TINY**2
        missed = 0.5 * np.log(variance) - np.log(wanted + _TINY)
        slope = (articulators * carried / variance).T
        found -= np.linalg.solve(slope.T @ slope + ridge, slope.T @ missed + _RIDGE * found)
        found = found.clip(*2 * np.log(_LIMITS))
    return found
