"""Lays the person over what is behind: in RGB, or in yuv420p whose background was converted once.

Only the columns of each row that the person covers are touched.
Runs on: any thread; pure. Compiled once by numba and cached beside the module.
"""

from typing import Any, Final

import cv2
import numba
import numpy as np

from styletalk_core.renderer.arrays import Image, Index

_LUMA: Final = (269_484, 528_482, 102_760)
_BLUE: Final = (-155_188, -305_135, 460_324)
_RED: Final = (460_324, -385_875, -74_448)
"""BT.601 with video levels, of 2**20, as OpenCV has them: a pixel looks the same whichever of the two converts it."""
_BITS: Final = 20
_HALF: Final = 1 << (_BITS - 1)
_NO_COLOR: Final = 128
_ALPHA_LUMA: Final = ((np.arange(256) * sum(_LUMA) + (16 << _BITS) + _HALF) >> _BITS).astype(np.uint8)


def yuv420p(rgb: Image) -> Image:
    """(H, W, 3) RGB or (H, W, 4) RGBA, even sides, to (H*3//2, W) planes; alpha is dropped."""
    code = cv2.COLOR_RGB2YUV_I420 if rgb.shape[2] == 3 else cv2.COLOR_RGBA2YUV_I420
    return np.asarray(cv2.cvtColor(rgb, code), np.uint8)


def stacked_yuv420p(layer: Image) -> Image:
    """(H, W, 4) RGBA to (H*3, W) planes of a picture twice as high: the colours, and below them the mask in grey."""
    height, width = layer.shape[:2]
    planes = yuv420p(layer)
    out = np.full((3 * height, width), _NO_COLOR, np.uint8)
    out[:height] = planes[:height]
    out[height : 2 * height] = _ALPHA_LUMA[layer[..., 3]]
    chroma = out[2 * height :].reshape(2, 2, -1)  # of blue and red difference, of colours and mask
    chroma[:, 0] = planes[height:].reshape(2, -1)
    return out


@numba.njit(nogil=True, cache=True)
def _over(value: Any, under: Any, alpha: Any) -> Any:
    # (v + 128) * 257 >> 16 is v / 255, rounded, for every v up to 255 * 255.
    return ((value * alpha + under * (255 - alpha) + 128) * 257) >> 16


@numba.njit(numba.void(numba.uint32[:, ::1], numba.int32[:, ::1], numba.uint8[:, :, ::1]), cache=True, nogil=True)
def lay_over_rgb(layer: Index, extent: Index, out: Image) -> None:
    """Lays a layer over a picture.

    Args:
        layer: (H, W) uint32 RGBA, red in the lowest byte.
        extent: (H, 2) columns from which and up to which a row of the layer may be opaque.
        out: (H, W, 3) RGB, the background; is overwritten.
    """
    for row in range(layer.shape[0]):
        for column in range(extent[row, 0], extent[row, 1]):
            pixel = np.int64(layer[row, column])
            for k in range(3):
                out[row, column, k] = _over((pixel >> (8 * k)) & 255, np.int64(out[row, column, k]), pixel >> 24)


@numba.njit(nogil=True, cache=True)
def _component(pixel: Any, weights: Any, zero: Any) -> Any:
    """Luma or chroma of a pixel, a number of 32 bits."""
    red, green, blue = np.int32(pixel & 255), np.int32((pixel >> 8) & 255), np.int32((pixel >> 16) & 255)
    total = np.int32(weights[0]) * red + np.int32(weights[1]) * green + np.int32(weights[2]) * blue
    return (total + np.int32((zero << _BITS) + _HALF)) >> np.int32(_BITS)


@numba.njit(
    numba.void(
        numba.uint32[:, ::1], numba.int32[:, ::1], numba.uint8[:, ::1], numba.uint8[:, :, ::1]
    ), cache=True, nogil=True,
)  # fmt: skip
def _lay_over_planes(layer: Index, extent: Index, luma: Image, chroma: Image) -> None:
    """Lays a layer over the planes (H, W) and (2, H/2, W/2); chroma is that of every other pixel, as OpenCV's."""
    for row in range(layer.shape[0]):
        low, high = extent[row, 0], extent[row, 1]
        pixels, under = layer[row], luma[row]
        for column in range(low, high):
            pixel = pixels[column]
            alpha = np.int32(pixel >> np.uint32(24))
            value = _component(pixel, _LUMA, 16) * alpha + np.int32(under[column]) * (np.int32(255) - alpha)
            under[column] = np.uint8(((value + np.int32(128)) * np.int32(257)) >> np.int32(16))
        if row % 2 == 0:
            for half in range((low + 1) // 2, (high + 1) // 2):
                pixel = pixels[2 * half]
                alpha = np.int64(pixel >> np.uint32(24))
                blue, red = _component(pixel, _BLUE, 128), _component(pixel, _RED, 128)
                chroma[0, row // 2, half] = _over(np.int64(blue), np.int64(chroma[0, row // 2, half]), alpha)
                chroma[1, row // 2, half] = _over(np.int64(red), np.int64(chroma[1, row // 2, half]), alpha)


def lay_over_yuv420p(layer: Index, extent: Index, background: Image) -> Image:
    """Lays a layer, as of `lay_over_rgb`, over the planes (H*3//2, W) of a background; returns new ones."""
    height, width = layer.shape
    out = background.copy()
    _lay_over_planes(layer, extent, out[:height], out[height:].reshape(2, height // 2, width // 2))
    return out
