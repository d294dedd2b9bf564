"""Push-pull interpolation: fills the gaps of an image smoothly from its known pixels.

Runs on: any thread, at enrolment only; pure.
"""

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float


def fill_in(image: Float, weight: Float) -> Float:
    """Keeps ``image`` (H, W, C) where ``weight`` (H, W) is 1 and fills the rest smoothly from the kept pixels.

    Push-pull interpolation: averages down a pyramid, then fills gaps of each level from the coarser one.
    """
    levels = [(image * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    filled = levels[-1][0] / np.maximum(levels[-1][1], 1e-6)[..., None]
    for color, known in reversed(levels[:-1]):
        coarse = cv2.pyrUp(filled, dstsize=(known.shape[1], known.shape[0]))
        trust = np.minimum(known * 1.0, 1.0)[..., None]
        filled = color / np.maximum(known, 1e-6)[..., None] * trust + coarse * (1 - trust)
    return np.asarray(filled, np.float32)
