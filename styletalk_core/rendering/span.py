"""The pixels of a triangle in one row: sampled from a texture, perhaps shaded, perhaps laid over what is behind.

Pictures are given as addresses of RGBA pixels of 32 bits, red in the lowest byte: arrays are copied when they are
passed on, which takes as long as a pixel.
Runs on: any thread; pure. Compiled into the functions that call it.
"""

from typing import Final

import numpy as np

from styletalk_core.rendering.raster.sampling import FRACTION_BITS, bilinear, bilinear_shaded, load, prefetch, store
from styletalk_core.rendering.triangle import compiled

OPAQUE: Final = 0xFF000000
"""A pixel's alpha bits."""
PIXEL: Final = 4
"""Bytes of a pixel."""
_FETCHED: Final = 8
"""Pixels, two texture pixels apart, that a line of memory serves."""


@compiled  # type: ignore[untyped-decorator]
def request(address: int, stride: int, x: int, y: int, step_x: int, step_y: int, count: int) -> None:
    """Asks for the part of the texture that a span will show; see `draw_span`."""
    for _ in range(0, count + _FETCHED, _FETCHED):
        line = address + (y >> FRACTION_BITS) * stride + (x >> FRACTION_BITS) * PIXEL
        prefetch(line)
        prefetch(line + stride)
        x += _FETCHED * step_x
        y += _FETCHED * step_y


@compiled  # type: ignore[untyped-decorator]
def draw_span(
    out: int, count: int, address: int, stride: int, greatest: int, x: int, y: int, step_x: int, step_y: int
) -> int:
    """Samples ``count`` pixels.

    Args:
        out: where the first one goes.
        address, stride: of the texture's first byte; bytes per row.
        greatest: place, as `bilinear` takes it, to which those beyond the texture are held.
        x, y, step_x, step_y: place of the first pixel in the texture, and from each to the next.

    Returns:
        The bits that all pixels have.
    """
    common = np.uint32(OPAQUE)
    end_x, end_y = x + (count - 1) * step_x, y + (count - 1) * step_y
    beyond = x | y | end_x | end_y | (greatest - x) | (greatest - y) | (greatest - end_x) | (greatest - end_y)
    if beyond >= 0:
        for k in range(count):
            pixel = bilinear(address, stride, x, y)
            store(out + PIXEL * k, pixel)
            common &= pixel
            x += step_x
            y += step_y
    else:
        for k in range(count):
            pixel = bilinear(address, stride, min(max(x, 0), greatest), min(max(y, 0), greatest))
            store(out + PIXEL * k, pixel)
            common &= pixel
            x += step_x
            y += step_y
    return common


@compiled  # type: ignore[untyped-decorator]
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
) -> int:
    """As `draw_span`, with gains and their steps as `bilinear_shaded` takes them."""
    common = np.uint32(OPAQUE)
    for k in range(count):
        pixel = bilinear_shaded(address, stride, min(max(x, 0), greatest), min(max(y, 0), greatest), red_green, blue)
        store(out + PIXEL * k, pixel)
        common &= pixel
        x += step_x
        y += step_y
        red_green += step_red_green
        blue += step_blue
    return common


@compiled  # type: ignore[untyped-decorator]
def lay_over(out: int, behind: int, count: int) -> None:
    """Lays ``count`` pixels over those at ``behind``; they keep their own alpha."""
    for k in range(0, PIXEL * count, PIXEL):
        pixel = np.int64(load(out + k))
        alpha = pixel >> 24
        if alpha == 255:
            continue
        under, mixed = np.int64(load(behind + k)), alpha << 24
        for shift in range(0, 24, 8):
            # (v + 128) * 257 >> 16 is v / 255, rounded, for every v up to 255 * 255.
            value = ((pixel >> shift) & 255) * alpha + ((under >> shift) & 255) * (255 - alpha)
            mixed |= (((value + 128) * 257) >> 16) << shift
        store(out + k, np.uint32(mixed))
