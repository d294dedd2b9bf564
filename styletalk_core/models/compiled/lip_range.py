"""Range of the lips in a style: how far speech moves each articulator, against the clip that the style was made of.

A network decodes speech in deviations of each coefficient of the style's clip. An articulator, such as the width of the
mouth, is a sum of coefficients, which in speech do not move together as they do in the clip: without a correction it
gets half of the clip's range in one style and all of it in another. The code of a style therefore ends with a gain for
each articulator, and the decoded lower face is widened by them; how well an articulator follows the words stays as it
is. Styles blend as before.

Runs on: any thread; pure.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.models.dimensions import Dimensions

Float = NDArray[np.float32]

RANGE: Final = np.array([1.02, 0.84, 0.80, 0.94, 0.94, 1.00], np.float32)
"""Deviation of each articulator in the speech that `spread` is measured on, as a share of that in the style's clip.

Other speech of other people moves less: these give every articulator at least 0.80 of the range of people of the dev
split. They are as small as that allows, because more range of what the words do not tell of a mouth is more error.
"""
_LIMITS: Final = (0.6, 4.0)
"""Smallest and largest gain."""
_TINY: Final = 1e-6


def log_gains(code: Float, clip: Float, spread: Float, articulators: Float, dimensions: Dimensions) -> Float:
    """Return the logarithm of the gain of each articulator in a style, (A,).

    Args:
        code: code of the style with its statistics, without gains.
        clip: (L, 64) coefficients of the style.
        spread: (13, 13) covariance of decoded speech, in deviations of the style's coefficients.
        articulators: (13, A) articulators of the lips per coefficient of the lower face.
        dimensions: dimensions of the network.
    """
    lower = list(dimensions.lower)
    deviation = np.exp(code[np.array(lower) + dimensions.width + dimensions.coefficients])
    moved = deviation[:, None] * articulators
    expected = np.sqrt(np.einsum("ka,kl,la->a", moved, spread, moved).clip(0))
    wanted = RANGE * (clip[:, lower] @ articulators).std(axis=0)
    gains = ((wanted + _TINY) / (expected + _TINY)).clip(*_LIMITS)
    return np.asarray(np.log(gains), np.float32)


def widening(gains: Float, deviation: Float, articulators: Float, back: Float) -> Float:
    """Return the maps (B, 13, 13) to add to the lower face, in deviations of the style's coefficients.

    Args:
        gains: (B, A) logarithms of gains.
        deviation: (B, 13) deviations of the lower face.
        articulators: (13, A).
        back: (13, A) coefficients that move one articulator each.
    """
    more = np.einsum("ka,ba,la->bkl", back, np.expm1(gains), articulators)
    return np.asarray(more * deviation[:, None, :] / deviation[:, :, None], np.float32)
