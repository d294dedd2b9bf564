"""Affine layers for the two rows of a live step: W x + b with 16-bit weights and 32-bit sums.

A 20 ms step multiplies two rows (one stream in two phases) by 2.4 million weights. That is too few rows for BLAS, and
every step reads all weights from the outer cache. Here each weight is read once per pair of rows, at half the size of
float32.

Runs on: any thread; pure. Compiled by numba on first use and cached next to the module; releases the GIL.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

OUTPUTS: Final = 4
"""Outputs per tile; with `ROWS` rows they fill half of the AVX2 registers."""
ROWS: Final = 2
REORDERED: Final = {"reassoc", "contract", "nsz"}
"""Fast-math flags for sums: reordering and fused multiply-add are allowed; infinities are handled correctly."""


class Affine(NamedTuple):
    """A layer in the format of the kernel; its outputs are padded to a multiple of `OUTPUTS`."""

    weights: NDArray[Any]
    """(outputs, inputs) int16 or float32"""
    scales: NDArray[np.float32]
    """(outputs,): value of one quantisation step."""
    biases: NDArray[np.float32]
    """(outputs,)"""


def exact(weight: NDArray[np.floating], bias: NDArray[np.float32] | None = None) -> Affine:
    """A float32 layer with weight (out, in) and bias (out,)."""
    padding = -len(weight) % OUTPUTS
    rows = np.pad(np.asarray(weight, np.float32), ((0, padding), (0, 0)))
    biases = np.zeros(len(rows), np.float32) if bias is None else np.pad(np.asarray(bias, np.float32), (0, padding))
    return Affine(np.ascontiguousarray(rows), np.ones(len(rows), np.float32), np.ascontiguousarray(biases))


def quantised(weight: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> Affine:
    """A layer with weight (out, in) quantised to 16-bit integers, with a scale per output, and bias (out,).

    The quantisation error is at most 1/65,534 of the largest weight of the row, less than the float16 error of that
    weight.
    """
    layer = exact(weight, bias)
    largest = np.abs(layer.weights).max(axis=1)
    scales = (np.where(largest > 0, largest, 1) / np.iinfo(np.int16).max).astype(np.float32)
    return layer._replace(weights=np.rint(layer.weights / scales[:, None]).astype(np.int16), scales=scales)


def stacked(layers: Sequence[Affine]) -> Affine:
    """Stacks layers of equal shape along a new first axis."""
    return Affine(*(np.stack(parts) for parts in zip(*layers, strict=True)))


@numba.njit(nogil=True, fastmath=REORDERED)
def affine(x: Any, layer: Any, out: Any) -> None:
    """out (rows, outputs) = x (rows, inputs) @ weights.T * scales + biases, all float32.

    If the number of rows is odd, the last row is computed twice.
    """
    rows, inputs = x.shape
    for o in range(0, len(layer.weights), OUTPUTS):
        w0, w1, w2, w3 = layer.weights[o], layer.weights[o + 1], layer.weights[o + 2], layer.weights[o + 3]
        s0, s1, s2, s3 = layer.scales[o], layer.scales[o + 1], layer.scales[o + 2], layer.scales[o + 3]
        b0, b1, b2, b3 = layer.biases[o], layer.biases[o + 1], layer.biases[o + 2], layer.biases[o + 3]
        for row in range(0, rows, ROWS):
            other = min(row + 1, rows - 1)
            x0, x1 = x[row], x[other]
            p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = np.float32(0)
            for i in range(inputs):
                p, q = x0[i], x1[i]
                v0, v1, v2, v3 = np.float32(w0[i]), np.float32(w1[i]), np.float32(w2[i]), np.float32(w3[i])
                p0, p1, p2, p3 = p0 + p * v0, p1 + p * v1, p2 + p * v2, p3 + p * v3
                q0, q1, q2, q3 = q0 + q * v0, q1 + q * v1, q2 + q * v2, q3 + q * v3
            first, second = out[row, o : o + OUTPUTS], out[other, o : o + OUTPUTS]
            first[0], first[1], first[2], first[3] = p0 * s0 + b0, p1 * s1 + b1, p2 * s2 + b2, p3 * s3 + b3
            second[0], second[1], second[2], second[3] = q0 * s0 + b0, q1 * s1 + b1, q2 * s2 + b2, q3 * s3 + b3
