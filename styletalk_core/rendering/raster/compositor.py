"""Conversion between RGB images and RGBA layers, and from layers to yuv420p.

Runs on: any thread; pure.
"""

from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Image

_NO_COLOR: Final = 128
_GREY: Final = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 2, axis=1)
_ALPHA_LUMA: Final = cv2.cvtColor(cv2.merge([_GREY] * 3), cv2.COLOR_RGB2YUV_I420)[:256, 0]


def opaque(rgb: Image) -> Image:
    """Converts RGB (H, W, 3) to an opaque layer (H, W, 4)."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), np.uint8)


def without_alpha(layer: Image) -> Image:
    """Returns the colours (H, W, 3) of a layer (H, W, 4)."""
    return np.asarray(cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), np.uint8)


def yuv420p(layer: Image) -> Image:
    """Converts the colours of a layer (H, W, 4) with even sides to yuv420p planes (H*3//2, W)."""
    return np.asarray(cv2.cvtColor(layer, cv2.COLOR_RGBA2YUV_I420), np.uint8)


def stacked_yuv420p(layer: Image) -> Image:
    """Converts a layer to yuv420p planes (H*3, W) of a frame of double height; the lower half is the alpha mask."""
    height, width = layer.shape[:2]
    planes = yuv420p(layer)
    out = np.full((3 * height, width), _NO_COLOR, np.uint8)
    out[:height] = planes[:height]
    cv2.LUT(cv2.extractChannel(layer, 3), _ALPHA_LUMA, out[height : 2 * height])
    chroma = out[2 * height :].reshape(2, 2, -1)  # U and V, each of the colours and of the alpha mask
    chroma[:, 0] = planes[height:].reshape(2, -1)
    return out
