"""One pixel of a picture at any place: bilinear, all four channels in one vector register.

The sum is in whole numbers: places are known to 1/256 of a pixel, weights to 1/256, the result is rounded.
Runs on: any thread; pure. Compiled into the functions that call it.
"""

from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

FRACTION_BITS: Final = 16
"""Places are whole numbers of 1 / 2**16 px."""
NUMBERS: Final = 8
"""Numbers per node of a field that is interpolated."""
_CHANNELS: Final = 4
_intrinsic: Any = intrinsic


@_intrinsic  # type: ignore[untyped-decorator]
def bilinear(_: Any, address: Any, stride: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Returns the RGBA of a uint8 picture as one uint32, red in its lowest byte.

    Args:
        address: of the picture's first byte.
        stride: bytes per row.
        x, y: int64 place, at least 0 and below the last column and row, times 2**`FRACTION_BITS`.
    """
    return types.uint32(types.intp, types.intp, types.int64, types.int64), _generate


def _generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
    address, stride, x, y = arguments
    long, short, byte = ir.IntType(64), ir.IntType(32), ir.IntType(8)

    def constant(value: int) -> Any:
        return ir.Constant(long, value)

    def fraction(place: Any) -> Any:
        return builder.and_(builder.lshr(place, constant(FRACTION_BITS - 8)), constant(255))

    u, v = fraction(x), fraction(y)
    both = builder.lshr(builder.add(builder.mul(u, v), constant(128)), constant(8))
    right, below = builder.sub(u, both), builder.sub(v, both)
    neither = builder.sub(builder.sub(constant(256), u), below)
    pairs = ir.VectorType(ir.IntType(16), 2 * _CHANNELS)
    spread = ir.Constant(ir.VectorType(short, 2 * _CHANNELS), [0] * _CHANNELS + [1] * _CHANNELS)

    def weighted(row: Any, left_weight: Any, right_weight: Any) -> Any:
        """Both pixels of a row, eight numbers of 16 bits, by their weights."""
        column = builder.shl(builder.lshr(x, constant(FRACTION_BITS)), constant(2))
        place = builder.add(builder.add(address, builder.mul(row, stride)), column)
        pixels = builder.load(builder.inttoptr(place, ir.VectorType(byte, 2 * _CHANNELS).as_pointer()))
        pixels.align = 1
        weights = builder.or_(left_weight, builder.shl(right_weight, constant(16)))
        lanes = builder.bitcast(
            builder.insert_element(ir.Constant(ir.VectorType(long, 2), [0, 0]), weights, ir.Constant(short, 0)), pairs
        )
        return builder.mul(builder.zext(pixels, pairs), builder.shuffle_vector(lanes, lanes, spread))

    row = builder.lshr(y, constant(FRACTION_BITS))
    total = builder.add(
        weighted(row, neither, right), weighted(builder.add(row, constant(1)), below, both)
    )  # at most 255 * 256
    halves = [
        builder.shuffle_vector(
            total, total, ir.Constant(ir.VectorType(short, _CHANNELS), list(range(k, k + _CHANNELS)))
        )
        for k in (0, _CHANNELS)
    ]
    four = ir.VectorType(ir.IntType(16), _CHANNELS)
    rounded = builder.add(builder.add(*halves), ir.Constant(four, [128] * _CHANNELS))
    shifted = builder.lshr(rounded, ir.Constant(four, [8] * _CHANNELS))
    return builder.bitcast(builder.trunc(shifted, ir.VectorType(byte, _CHANNELS)), short)


@_intrinsic  # type: ignore[untyped-decorator]
def interpolate(_: Any, address: Any, stride: Any, u: Any, v: Any, out: Any) -> tuple[Any, Any]:
    """Writes the `NUMBERS` float32 between four nodes to the address ``out``.

    Args:
        address: of the first node; the next in its row follows it.
        stride: bytes per row.
        u, v: float32 place between them, 0 .. 1.
        out: where the numbers go.
    """

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        address, stride, u, v, out = arguments
        vector, short = ir.VectorType(ir.FloatType(), NUMBERS), ir.IntType(32)
        zeros = ir.Constant(ir.VectorType(short, NUMBERS), [0] * NUMBERS)
        nothing = ir.Constant(vector, ir.Undefined)

        def node(place: Any) -> Any:
            value = builder.load(builder.inttoptr(place, vector.as_pointer()))
            value.align = 4
            return value

        def between(one: Any, other: Any, share: Any) -> Any:
            everywhere = builder.insert_element(nothing, share, ir.Constant(short, 0))
            everywhere = builder.shuffle_vector(everywhere, nothing, zeros)
            change = builder.fmul(builder.fsub(other, one), everywhere, flags=("contract",))
            return builder.fadd(one, change, flags=("contract",))

        rows = [address, builder.add(address, stride)]
        right = ir.Constant(ir.IntType(64), 4 * NUMBERS)
        above, below = (between(node(row), node(builder.add(row, right)), u) for row in rows)
        stored = builder.store(between(above, below, v), builder.inttoptr(out, vector.as_pointer()))
        stored.align = 4
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float32, types.float32, types.intp), generate


@_intrinsic  # type: ignore[untyped-decorator]
def prefetch(_: Any, address: Any) -> tuple[Any, Any]:
    """Asks for a line of memory that will soon be read."""

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag]), "llvm.prefetch.p0i8"
        )
        read, soon, data = ir.Constant(flag, 0), ir.Constant(flag, 3), ir.Constant(flag, 1)
        builder.call(function, [builder.inttoptr(arguments[0], pointer), read, soon, data])
        return context.get_dummy_value()

    return types.void(types.intp), generate


@numba.njit(nogil=True, cache=True, fastmath=True)
def sample(picture: Any, x: Any, y: Any, out: Any) -> None:
    """Bilinear colour of a picture (H, W, C) of any type at the place (x, y), continued beyond its edges, into ``out``.

    Only as many channels as ``out`` (c,) has are read.
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
