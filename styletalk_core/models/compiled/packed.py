"""Linear layers with weights packed in the order in which the register tile of a kernel reads them.

Integer storage: each row and each output has its own scale, chosen so that no sum overflows 32 bits (Cauchy-Schwarz: at
most the product of both norms). The sums are exact, so the result of a row does not depend on its batch.

Runs on: any thread; pure. Compiled by numba on first use and cached next to the module; releases the GIL.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from styletalk_core.models.compiled.tile_kernel import (
    STEPS,
    Kernel,
    Storage,
    address_of,
    call_product,
    machine_code,
    stay_apart,
)

ROW_LENGTH: Final = np.float32(32_700)
"""Norm of a row in integers, so that every value fits into 16 bits."""
_WEIGHT_LENGTH: Final = np.float32(65_000)
"""Maximum norm of the weights of an output in integers; times `ROW_LENGTH` it is below 2^31."""
_MAX_INT16: Final = np.float32(32_767)
_MIN_UNIT: Final = np.float32(1e-30)
"""Scale of rows that are all zero."""
_LINE: Final = 64
"""Bytes of a cache line, to which the weights are aligned."""

Spec = tuple[int, int, int]
"""Kernel parameters for `linear`: address, outputs per tile, and whether the storage is integer."""
compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@dataclass(frozen=True, slots=True)
class PackedLinear:
    """Weights in the order of a kernel: for each tile of outputs, the biases and scales, then the weights by input."""

    data: NDArray[np.uint8]
    """(tiles, bytes)"""
    inputs: int
    """Including padding."""
    outputs: int
    """Including padding."""

    @property
    def address(self) -> int:
        """Address of the weights; valid while this object exists."""
        return int(self.data.ctypes.data)


def spec(kernel: Kernel) -> Spec:
    """Compiles a kernel if necessary and returns its parameters."""
    return machine_code(kernel), kernel.tile, int(kernel.storage is Storage.INT16)


def pack(weight: NDArray[np.float32], bias: NDArray[np.float32] | None, kernel: Kernel) -> PackedLinear:
    """Packs weight (out, in) and bias (out,)."""
    return store(ordered(weight, kernel), bias, kernel)


def ordered(weight: NDArray[np.float32], kernel: Kernel) -> NDArray[np.float32]:
    """Weight (out, in) -> (tiles, steps, tile * together), zero-padded, in the order in which the kernel reads it."""
    outputs, inputs = weight.shape
    padded = np.pad(weight, ((0, -outputs % kernel.tile), (0, -inputs % STEPS)))
    together = kernel.storage.together
    tiles = padded.reshape(len(padded) // kernel.tile, kernel.tile, -1, together).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tiles.reshape(len(tiles), -1, kernel.tile * together), np.float32)


def store(weights: NDArray[np.float32], bias: NDArray[np.float32] | None, kernel: Kernel) -> PackedLinear:
    """Packs weights returned by `ordered`, with bias (out,)."""
    tiles, steps, _ = weights.shape
    kept = _empty(tiles, kernel.header_bytes + steps * weights.shape[2] * kernel.storage.dtype.itemsize)
    header = kept[:, : kernel.header_bytes].view(np.float32)
    header[:] = 0
    if bias is not None:
        flat = np.zeros(tiles * kernel.tile, np.float32)
        flat[: len(bias)] = bias
        header[:, : kernel.tile] = flat.reshape(tiles, kernel.tile)
    if kernel.storage is Storage.INT16:
        _store_whole(weights, kept, kernel.tile)
    else:
        kept[:, kernel.header_bytes :].view(kernel.storage.dtype).reshape(weights.shape)[:] = weights
    return PackedLinear(kept, steps * kernel.storage.together, tiles * kernel.tile)


def _empty(tiles: int, size: int) -> NDArray[np.uint8]:
    """Uninitialised (tiles, size) uint8, aligned to a cache line."""
    memory = np.empty(tiles * size + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + tiles * size].reshape(tiles, size)


@compiled
def _store_whole(weights: Any, kept: Any, outputs: int) -> None:
    """Quantises weights (tiles, steps, 2 * outputs) to integers with a scale per output, and writes both."""
    tiles, steps, width = weights.shape
    squares, largest = np.empty(width, np.float32), np.empty(width, np.float32)
    factors = np.empty(width, np.float32)
    for tile in range(tiles):
        units = kept[tile, 4 * outputs : 8 * outputs].view(np.float32)
        values = kept[tile, 8 * outputs :].view(np.int16)
        for place in range(width):
            squares[place], largest[place] = 0, 0
        for step in range(steps):
            row = weights[tile, step]
            for place in range(width):
                squares[place] += row[place] * row[place]
                largest[place] = max(largest[place], abs(row[place]))
        for output in range(outputs):
            length = np.float32(math.sqrt(squares[2 * output] + squares[2 * output + 1]))
            highest = max(largest[2 * output], largest[2 * output + 1])
            units[output] = max(length / _WEIGHT_LENGTH, highest / _MAX_INT16, _MIN_UNIT)
            factors[2 * output] = factors[2 * output + 1] = 1 / units[output]
        for step in range(steps):
            row, whole = weights[tile, step], values[step * width : (step + 1) * width]
            for place in range(width):
                whole[place] = np.int16(np.rint(row[place] * factors[place]))


@compiled
def linear(x: Any, weights: int, out: Any, relu: bool | np.bool, kernel: Any) -> None:
    """out = x @ weight.T + bias, followed by ReLU if ``relu``.

    x (rows, in) and out (rows, padded out) are float32 with contiguous rows; ``weights`` is the address of a
    `PackedLinear` for the same kernel and sizes.
    """
    stay_apart()
    code, tile, whole = kernel
    rows, inputs = x.shape
    out_stride, tiles = out.strides[0], out.shape[1] // tile
    if whole:
        numbers, units = np.empty((rows, inputs), np.int16), np.empty(rows, np.float32)
        _rounded(x, numbers, units)
        call_product(
            code, address_of(numbers), 2 * inputs, address_of(units), rows, weights, inputs, address_of(out),
            out_stride, tiles, relu,
        )  # fmt: skip
    else:
        call_product(
            code, address_of(x), x.strides[0], 0, rows, weights, inputs, address_of(out), out_stride, tiles, relu
        )


@compiled
def _rounded(x: Any, numbers: Any, units: Any) -> None:
    """Quantises rows x (rows, in) to integers with a scale per row (rows,)."""
    for row in range(len(x)):
        values, whole, square = x[row], numbers[row], np.float32(0)
        for column in range(len(values)):
            square += values[column] * values[column]
        unit = max(np.float32(math.sqrt(square)) / ROW_LENGTH, _MIN_UNIT)
        units[row] = unit
        factor = np.float32(1) / unit
        for column in range(len(values)):
            whole[column] = np.int16(np.rint(values[column] * factor))
