"""Bilinear sampling of one pixel at any position, with all four channels in one vector register.

The sum is computed in 16-bit integers: positions have a precision of 1/64 px, and the result is rounded.
Runs on: any thread; pure. Compiled into the functions that call it.
"""

from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types

from styletalk_core.intrinsics import intrinsic

FRACTION_BITS: Final = 32
"""Fraction bits of positions, px."""
GAIN_BITS: Final = 20
"""Fraction bits of colour gains."""
_LEVEL_BITS: Final = 6
"""Fraction bits of interpolated levels, chosen so that twice their differences fit into 16 bits."""
_SHARE_BITS: Final = 15
_SHADE_BITS: Final = 11
"""Fraction bits of gains in the product, chosen so that gains below 16 fit into signed 16 bits."""
_SHADED_BITS: Final = _LEVEL_BITS + 1 + _SHADE_BITS - 16
_CHANNELS: Final = 4
_LANES: Final = 2 * _CHANNELS
_BYTE, _WORD, _SHORT, _LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_WORDS: Final = ir.VectorType(_WORD, _LANES)


@intrinsic
def bilinear(_: Any, address: Any, stride: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Samples a uint8 RGBA image; returns one uint32 with red in its lowest byte.

    Args:
        address: address of the first byte of the image.
        stride: bytes per row.
        x, y: int64 position, at least 0 and below the last column and row, times 2**`FRACTION_BITS`.
    """

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return _packed(builder, _rounded(builder, _between(builder, *arguments), _LEVEL_BITS))

    return types.uint32(types.intp, types.intp, types.int64, types.int64), generate


@intrinsic
def bilinear_shaded(_: Any, address: Any, stride: Any, x: Any, y: Any, red_green: Any, blue: Any) -> tuple[Any, Any]:
    """Like `bilinear`, with the colours multiplied by gains and clamped to 255.

    Args:
        red_green: int64, gain of red in the lower and of green in the upper 32 bits, times 2**`GAIN_BITS`; below 16.
        blue: int64, gain of blue, times 2**`GAIN_BITS`; below 16.
    """

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        *place, red_green, blue = arguments
        opaque = builder.or_(blue, ir.Constant(_LONG, 1 << (32 + GAIN_BITS)))
        pairs = ir.Constant(ir.VectorType(_LONG, 2), ir.Undefined)
        for lane, pair in enumerate((red_green, opaque)):
            pairs = builder.insert_element(pairs, pair, ir.Constant(_SHORT, lane))
        gains = builder.bitcast(pairs, ir.VectorType(_SHORT, _CHANNELS))
        gains = builder.lshr(gains, _all(gains, GAIN_BITS - _SHADE_BITS))
        gains = builder.trunc(gains, ir.VectorType(_WORD, _CHANNELS))
        gains = _shuffled(builder, gains, [*range(_CHANNELS), *range(_CHANNELS)])
        levels = _between(builder, *place)
        shaded = _rounded(builder, _upper_product(builder, builder.add(levels, levels), gains), _SHADED_BITS)
        brightest = _all(shaded, 255)
        limited = builder.select(builder.icmp_unsigned("<", shaded, brightest), shaded, brightest)
        return _packed(builder, limited)

    arguments = types.intp, types.intp, types.int64, types.int64, types.int64, types.int64
    return types.uint32(*arguments), generate


def _between(builder: Any, address: Any, stride: Any, x: Any, y: Any) -> Any:
    """Interpolates four channels between four pixels, times 2**`_LEVEL_BITS`, into the lower half of an i16 vector."""

    def share(place: Any, bits: int) -> Any:
        part = builder.lshr(place, ir.Constant(_LONG, FRACTION_BITS - bits))
        part = builder.and_(builder.trunc(part, _WORD), ir.Constant(_WORD, (1 << bits) - 1))
        lane = builder.insert_element(ir.Constant(_WORDS, ir.Undefined), part, ir.Constant(_SHORT, 0))
        return _shuffled(builder, lane, [0] * _LANES)

    def pixels(place: Any) -> Any:
        pair = builder.load(builder.inttoptr(place, ir.VectorType(_BYTE, _LANES).as_pointer()))
        pair.align = 1
        return builder.zext(pair, _WORDS)

    column, row = (builder.lshr(place, ir.Constant(_LONG, FRACTION_BITS)) for place in (x, y))
    place = builder.add(address, builder.add(builder.mul(row, stride), builder.shl(column, ir.Constant(_LONG, 2))))
    above, below = pixels(place), pixels(builder.add(place, stride))
    change = builder.mul(builder.sub(below, above), share(y, _LEVEL_BITS))
    left = builder.add(builder.shl(above, _all(above, _LEVEL_BITS)), change)
    right = _shuffled(builder, left, [*range(_CHANNELS, _LANES), *range(_CHANNELS, _LANES)])
    change = builder.sub(right, left)
    return builder.add(left, _upper_product(builder, builder.add(change, change), share(x, _SHARE_BITS)))


def _upper_product(builder: Any, one: Any, other: Any) -> Any:
    """The upper 16 bits of products of signed 16-bit integers."""
    wide = ir.VectorType(_SHORT, _LANES)
    product = builder.mul(builder.sext(one, wide), builder.sext(other, wide))
    return builder.trunc(builder.ashr(product, _all(product, 16)), _WORDS)


def _rounded(builder: Any, levels: Any, bits: int) -> Any:
    """16-bit integers times 2**-``bits``, rounded."""
    return builder.lshr(builder.add(levels, _all(levels, 1 << (bits - 1))), _all(levels, bits))


def _packed(builder: Any, levels: Any) -> Any:
    """The lower four 16-bit integers, 0 to 255, packed into 32 bits."""
    narrow = builder.trunc(levels, ir.VectorType(_BYTE, _LANES))
    return builder.bitcast(_shuffled(builder, narrow, range(_CHANNELS)), _SHORT)


def _all(like: Any, value: int) -> Any:
    """A vector with all elements equal to ``value``."""
    return ir.Constant(like.type, [value] * like.type.count)


def _shuffled(builder: Any, lanes: Any, chosen: Any) -> Any:
    places = list(chosen)
    return builder.shuffle_vector(lanes, lanes, ir.Constant(ir.VectorType(_SHORT, len(places)), places))


@intrinsic
def load(_: Any, address: Any) -> tuple[Any, Any]:
    """Reads the uint32 at an address."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], _SHORT.as_pointer()))

    return types.uint32(types.intp), generate


@intrinsic
def store(_: Any, address: Any, value: Any) -> tuple[Any, Any]:
    """Writes a uint32 to an address."""

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], _SHORT.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.uint32), generate


@intrinsic
def prefetch(_: Any, address: Any) -> tuple[Any, Any]:
    """Prefetches a cache line."""

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        pointer, flag = _BYTE.as_pointer(), _SHORT
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        )
        read, soon, data = ir.Constant(flag, 0), ir.Constant(flag, 3), ir.Constant(flag, 1)
        builder.call(function, [builder.inttoptr(arguments[0], pointer), read, soon, data])
        return context.get_dummy_value()

    return types.void(types.intp), generate


@numba.njit(nogil=True, cache=True, fastmath=True)
def sample(picture: Any, x: Any, y: Any, out: Any) -> None:
    """Samples an image (H, W, C) of any type bilinearly at (x, y), extended beyond its edges, into ``out`` (c,).

    Reads only the first c channels.
    """
    height, width = picture.shape[:2]
    x = min(max(np.float32(x), np.float32(0)), np.float32(width - 1))
    y = min(max(np.float32(y), np.float32(0)), np.float32(height - 1))
    left, top = min(int(x), width - 2), min(int(y), height - 2)
    u, v = x - np.float32(left), y - np.float32(top)
    for k in range(len(out)):
        above = picture[top, left, k] + u * (np.float32(picture[top, left + 1, k]) - np.float32(picture[top, left, k]))
        below = picture[top + 1, left, k] + u * (
            np.float32(picture[top + 1, left + 1, k]) - np.float32(picture[top + 1, left, k])
        )
        out[k] = above + v * (below - above)
