"""Linear layers whose weights wait in the order in which a register tile reads them, in half precision.

A frame multiplies a window of 11 rows with 8 million weights: too few rows for the matrix products of a library, which
spend more time on calls and on reordering than on the sum. Here a tile of 11 rows stays in the vector registers while
the weights stream past it once, fetched ahead, at half the bytes of float32; sums are float32.

Runs on: any thread; pure. Compiled by numba on first use and cached beside the module; the interpreter is not locked
while it computes.
"""

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import torch
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor, nn

_WIDE: Final = bool(binding.get_host_cpu_features().get("avx512f"))
LANES: Final = 16 if _WIDE else 8
"""Outputs that one vector register holds."""
_BLOCKS: Final = 2 if _WIDE else 1
"""Registers of outputs side by side in a tile; with 11 rows they fill the register file."""
TILE: Final = LANES * _BLOCKS
"""Outputs are padded to multiples of this."""
_ROWS: Final = 11
"""Rows of a tile: one phone window."""
_NEXT_READ: Final = tuple(ir.Constant(ir.IntType(32), value) for value in (0, 3, 1))
"""Of a prefetch: to be read, soon and often, as data."""
_CHAINS: Final = 4
"""Independent sums of a single row, which alone would wait for each addition."""


@dataclass(frozen=True, slots=True)
class PackedLinear:
    """Weights as the kernel reads them: for each `LANES` outputs a float32 bias row, then float16 rows per input."""

    data: NDArray[np.uint8]
    """(blocks, bytes)"""
    inputs: int
    outputs: int
    """Including the padding."""

    @property
    def address(self) -> int:
        """Where the weights lie; valid as long as this object lives."""
        return int(self.data.ctypes.data)


def pack(weight: Tensor, bias: Tensor | None = None) -> PackedLinear:
    """Packs weight (out, in) and bias (out,)."""
    weight = weight.detach().float()
    outputs, inputs = weight.shape
    spare = -outputs % TILE
    blocks = (outputs + spare) // LANES
    weight = nn.functional.pad(weight, (0, 0, 0, spare))
    shift = weight.new_zeros(outputs) if bias is None else bias.detach().float()
    data = np.empty((blocks, 4 * LANES + 2 * LANES * inputs), np.uint8)
    data[:, : 4 * LANES] = nn.functional.pad(shift, (0, spare)).view(blocks, LANES).numpy().view(np.uint8)
    rows = weight.view(blocks, LANES, inputs).transpose(1, 2).to(torch.float16).contiguous()
    data[:, 4 * LANES :] = rows.view(blocks, -1).numpy().view(np.uint8)
    return PackedLinear(data, inputs, outputs + spare)


def _tile(rows: int, blocks: int, chains: int, *, packed: bool = True) -> Any:
    """Makes tile(x, x_stride, weights, inputs, out, out_stride, relu): addresses and strides in bytes.

    Unless the weights are ``packed`` they are float32 and have no bias.
    """

    @intrinsic
    def tile(
        _: Any, x: Any, x_stride: Any, weights: Any, inputs: Any, out: Any, out_stride: Any, relu: Any
    ) -> tuple[Any, Any]:
        return types.void(*[types.intp] * 6, types.boolean), generate

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        x, x_stride, weights, inputs, out, out_stride, relu = arguments
        single, long = ir.FloatType(), ir.IntType(64)
        vector, stored = ir.VectorType(single, LANES), ir.VectorType(ir.HalfType() if packed else single, LANES)
        row_bytes, bias_bytes = (2 * LANES, 4 * LANES) if packed else (4 * LANES, 0)
        undefined, zero = ir.Constant(vector, ir.Undefined), ir.Constant(vector, [0.0] * LANES)
        first = ir.Constant(ir.IntType(32), 0)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

        byte_pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        prefetch = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer, flag, flag, flag]), "llvm.prefetch.p0i8"
        )

        def constant(value: int) -> Any:
            return ir.Constant(long, value)

        def pointer(base: Any, offset: Any, kind: Any) -> Any:
            return builder.inttoptr(builder.add(base, offset), kind.as_pointer())

        def load(base: Any, offset: Any, kind: Any, align: int) -> Any:
            value = builder.load(pointer(base, offset, kind))
            value.align = align
            return value

        block_bytes = builder.add(builder.mul(inputs, constant(row_bytes)), constant(bias_bytes))
        bases = [builder.add(weights, builder.mul(block_bytes, constant(block))) for block in range(blocks)]
        biases = [load(base, constant(0), vector, 4) if packed else zero for base in bases]
        before, body = builder.block, builder.append_basic_block("sum")
        after = builder.append_basic_block("store")
        builder.branch(body)
        builder.position_at_end(body)
        index = builder.phi(long)
        index.add_incoming(constant(0), before)
        sums = {}
        for place in np.ndindex(chains, rows, blocks):
            sums[place] = builder.phi(vector)
            sums[place].add_incoming(biases[place[2]] if place[0] == 0 else zero, before)
        step = builder.mul(block_bytes, constant(blocks))
        ahead = builder.add(step, builder.mul(index, constant(row_bytes)))
        for base in bases:
            builder.call(prefetch, [pointer(base, ahead, ir.IntType(8)), *_NEXT_READ])
        totals = {}
        for chain in range(chains):
            position = builder.add(index, constant(chain))
            offset = builder.add(builder.mul(position, constant(row_bytes)), constant(bias_bytes))
            columns = [load(base, offset, stored, 2 if packed else 4) for base in bases]
            if packed:
                columns = [builder.fpext(column, vector) for column in columns]
            for row in range(rows):
                place = builder.add(builder.mul(x_stride, constant(row)), builder.mul(position, constant(4)))
                value = builder.insert_element(undefined, load(x, place, single, 4), first)
                factor = builder.shuffle_vector(value, undefined, everywhere)
                for block, column in enumerate(columns):
                    product = builder.fmul(factor, column, flags=("contract",))
                    key = (chain, row, block)
                    totals[key] = builder.fadd(product, sums[key], flags=("contract",))
        following = builder.add(index, constant(chains))
        index.add_incoming(following, body)
        for key, total in totals.items():
            sums[key].add_incoming(total, body)
        builder.cbranch(builder.icmp_signed("<", following, inputs), body, after)
        builder.position_at_end(after)
        for row, block in np.ndindex(rows, blocks):
            total = totals[0, row, block]
            for chain in range(1, chains):
                total = builder.fadd(total, totals[chain, row, block])
            positive = builder.select(builder.fcmp_ordered(">", total, zero), total, zero)
            place = builder.add(builder.mul(out_stride, constant(row)), constant(4 * LANES * block))
            result = builder.store(builder.select(relu, positive, total), pointer(out, place, vector))
            result.align = 4
        return context.get_dummy_value()

    return tile


_window_tile = _tile(_ROWS, _BLOCKS, 1)
_row_tile = _tile(1, _BLOCKS, _CHAINS)
_plain_window_tile = _tile(_ROWS, 1, 1, packed=False)
_plain_row_tile = _tile(1, 1, _CHAINS, packed=False)


@numba.njit(nogil=True, cache=True)
def linear(x: Any, weights: int, out: Any, relu: bool) -> None:
    """out = x @ weight.T + bias, then ReLU if asked.

    x (rows, in) and out (rows, padded out) float32 with adjacent columns; ``weights`` is a `PackedLinear.address`
    that must fit them. Rows that do not fill a tile of 11 need ``in`` to be a multiple of 4.
    """
    rows, inputs = x.shape
    x_stride, out_stride = x.strides[0], out.strides[0]
    source, target = x.ctypes.data, out.ctypes.data
    step = _BLOCKS * (inputs + 2) * 2 * LANES
    for group in range(out.shape[1] // TILE):
        row = 0
        while row + _ROWS <= rows:
            _window_tile(
                source + row * x_stride,
                x_stride,
                weights + group * step,
                inputs,
                target + row * out_stride + group * TILE * 4,
                out_stride,
                relu,
            )
            row += _ROWS
        while row < rows:
            _row_tile(
                source + row * x_stride,
                x_stride,
                weights + group * step,
                inputs,
                target + row * out_stride + group * TILE * 4,
                out_stride,
                relu,
            )
            row += 1


@numba.njit(nogil=True, cache=True)
def product(x: Any, columns: Any, out: Any) -> None:
    """out (rows, blocks * LANES) = x (rows, in) @ the matrix whose ``columns`` lie in blocks (blocks, in, LANES).

    All float32 with adjacent columns; ``in`` a multiple of 4; rows 1 or 11.
    """
    rows, inputs = x.shape
    for block in range(len(columns)):
        source, weights = x.ctypes.data, columns[block].ctypes.data
        target = out.ctypes.data + block * LANES * 4
        if rows == _ROWS:
            _plain_window_tile(source, x.strides[0], weights, inputs, target, out.strides[0], False)
        else:
            _plain_row_tile(source, x.strides[0], weights, inputs, target, out.strides[0], False)
