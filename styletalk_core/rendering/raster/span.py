"""Span rendering: the pixels of a triangle in one row, sampled from a texture, optionally shaded, and composited.

Images are passed as addresses of 32-bit RGBA pixels, red in the lowest byte, because passing a numba array costs as
much as drawing a pixel.
Runs on: any thread; pure. Compiled into the functions that call it.
"""

from typing import Any, Final

import numpy as np

from styletalk_core.rendering.raster.sampling import bilinear, bilinear_shaded, load, store
from styletalk_core.rendering.raster.triangle import compiled

PIXEL: Final = 4
"""Bytes per pixel."""
_BLOCK: Final = 16
"""Pixels tested together."""
_OPAQUE, _COLOURS = np.uint32(0xFF000000), np.uint32(0x00FFFFFF)


@compiled
def draw_span(
    out: int, count: int, address: int, stride: int, greatest: int, x: int, y: int, step_x: int, step_y: int
) -> None:
    """Samples ``count`` pixels.

    Args:
        out: address of the first output pixel.
        address, stride: address of the texture's first byte, and bytes per row.
        greatest: maximum position in the texture, as in `bilinear`; positions are clamped to it.
        x, y, step_x, step_y: texture position of the first pixel, and the step from pixel to pixel.
    """
    end_x, end_y = x + (count - 1) * step_x, y + (count - 1) * step_y
    beyond = x | y | end_x | end_y | (greatest - x) | (greatest - y) | (greatest - end_x) | (greatest - end_y)
    if beyond >= 0:
        for k in range(count):
            pixel = bilinear(address, stride, x, y)
            store(out + PIXEL * k, pixel)
            x += step_x
            y += step_y
    else:
        for k in range(count):
            pixel = bilinear(address, stride, min(max(x, 0), greatest), min(max(y, 0), greatest))
            store(out + PIXEL * k, pixel)
            x += step_x
            y += step_y


@compiled
def draw_shaded_span(
    out: int,
    count: int,
    address: int,
    stride: int,
    greatest: int,
    x: int,
    y: int,
    step_x: int,
    step_y: int,
    red_green: int,
    blue: int,
    step_red_green: int,
    step_blue: int,
) -> None:
    """Like `draw_span`, with gains and their steps as in `bilinear_shaded`."""
    for k in range(count):
        pixel = bilinear_shaded(address, stride, min(max(x, 0), greatest), min(max(y, 0), greatest), red_green, blue)
        store(out + PIXEL * k, pixel)
        x += step_x
        y += step_y
        red_green += step_red_green
        blue += step_blue


@compiled
def lay_over(out: int, behind: int, count: int) -> None:
    """Composites ``count`` pixels over those at ``behind``; the pixels keep their own alpha."""
    end, step = PIXEL * count, PIXEL * _BLOCK
    for block in range(0, end, step):
        common = np.uint32(0)
        if block + step <= end:
            common = _OPAQUE
            for k in range(block, block + step, PIXEL):
                common &= load(out + k)
        if common != _OPAQUE:
            for k in range(block, min(block + step, end), PIXEL):
                store(out + k, _over(load(out + k), load(behind + k)))


@compiled
def _over(pixel: Any, under: Any) -> Any:
    """Composites a pixel over another; the result keeps the alpha of ``pixel``."""
    alpha = np.int64(pixel) >> 24
    if alpha == 0:
        return under & _COLOURS
    mixed = alpha << 24
    for k in range(0, 24, 8):
        # (v + 128) * 257 >> 16 equals v / 255, rounded, for every v up to 255 * 255.
        value = ((np.int64(pixel) >> k) & 255) * alpha + ((np.int64(under) >> k) & 255) * (255 - alpha)
        mixed |= (((value + 128) * 257) >> 16) << k
    return np.uint32(mixed)
