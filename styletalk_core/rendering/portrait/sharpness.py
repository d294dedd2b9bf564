"""How far a photo is blurred, so that what is drawn into it is no sharper than its face.

Runs on: any thread, once per portrait; pure.
"""

from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image

_NOISE_BLUR: Final = 0.7
"""Standard deviation, px, of the blur that takes noise away beforehand."""
_REBLUR: Final = 1.8
"""Standard deviation, px, of the known second blur."""
_STRONG: Final = 97.0
"""Percentile of the gradients from which a pixel belongs to an edge."""
_SHARPEST: Final = 10.0
"""Percentile of the blur at edges: soft shadows have edges, too, and only sharp ones tell the blur of the photo."""


def blur_of(image: Image, landmarks: Float) -> float:
    """Standard deviation of the blur of a face in a photo, px; 0 if it is sharp.

    From the ratio of the gradients at edges before and after a second, known blur (Zhuo and Sim 2011, "Defocus map
    estimation from a single image", eq. 5).

    Args:
        image: (H, W, 3).
        landmarks: (478, >=2) px.
    """
    low = np.maximum(landmarks[:, :2].min(axis=0), 0).astype(int)
    high = landmarks[:, :2].max(axis=0).astype(int) + 1
    grey = cv2.cvtColor(image[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY).astype(np.float32)
    calm = cv2.GaussianBlur(grey, (0, 0), _NOISE_BLUR)
    before, after = _gradient(calm), _gradient(cv2.GaussianBlur(calm, (0, 0), _REBLUR))
    edges = before >= max(float(np.percentile(before, _STRONG)), 1.0)
    if not edges.any():
        return 0.0
    ratio = np.maximum(before[edges] / np.maximum(after[edges], 1e-3), 1 + 1e-3)
    blurs = _REBLUR / np.sqrt(ratio**2 - 1)
    return float(np.sqrt(max(np.percentile(blurs, _SHARPEST) ** 2 - _NOISE_BLUR**2, 0.0)))


def _gradient(grey: Float) -> Float:
    """Magnitude of the gradient, grey levels per px."""
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(across, down), np.float32)
