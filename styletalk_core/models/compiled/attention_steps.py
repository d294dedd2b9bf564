"""Attention of the compiled decoder: small products per head and session, and their softmax.

The sizes below: B sessions, Q queries per session, W = 11 columns of the window, C the network's width.
Runs on: any thread; pure. Compiled by numba on first use and cached next to the module.
"""

import math
from typing import Any, Final

import numpy as np

from styletalk_core.models.compiled.packed import compiled
from styletalk_core.models.compiled.tile_kernel import Kernel, Storage, address_of, call_product, stay_apart
from styletalk_core.phones import WINDOW

TILE: Final = 16
"""Outputs of the small products: the columns of the window, or part of a head, padded to full registers."""
_LOG2_E: Final = np.float32(math.log2(math.e))
_LN_2: Final = math.log(2)
_SERIES: Final = tuple(np.float32(_LN_2**power / math.factorial(power)) for power in range(7))
"""Taylor series of 2^x around 0; for |x| up to 0.5, the next term is below 2e-7."""
_MIN_EXPONENT: Final = np.float32(-126)
"""Minimum exponent of a normal float32."""


def small_kernel(lanes: int) -> Kernel:
    """The kernel used by `attend`, for registers of ``lanes`` values."""
    return Kernel(Storage.FLOAT32, lanes, 6 if lanes < TILE else WINDOW, TILE // lanes)


@compiled
def attend(
    query: Any, memory: Any, keys_from: int | np.int64, queries: int | np.int64, heads: int, small: int, out: Any
) -> None:
    """Attention of each session's queries to its window, per head.

    query is (B*Q, C or more), out (B*Q, C); memory (B*W, any) has the keys from column ``keys_from`` on, followed by
    the values; all are contiguous float32. ``small`` is the machine code of `small_kernel`. The width of a head must be
    a multiple of `TILE`.
    """
    stay_apart()
    width = out.shape[1]
    depth = width // heads
    packed_keys = np.zeros((1 + depth, TILE), np.float32)
    packed_values = np.zeros((depth // TILE, 1 + TILE, TILE), np.float32)
    scores = np.empty((heads * queries, TILE), np.float32)
    powers = np.empty((heads * queries, TILE), np.int32)
    scores_at, part_bytes = address_of(scores), 4 * queries * TILE
    for session in range(len(query) // queries):
        start = session * WINDOW
        asked = address_of(query) + session * queries * query.strides[0]
        answered = address_of(out) + session * queries * out.strides[0]
        for head in range(heads):
            for step in range(WINDOW):
                row = memory[start + step, keys_from + head * depth :]
                for column in range(depth):
                    packed_keys[column + 1, step] = row[column]
            call_product(
                small, asked + 4 * head * depth, query.strides[0], 0, queries, address_of(packed_keys), depth,
                scores_at + head * part_bytes, 4 * TILE, 1, False,
            )  # fmt: skip
        _softmax(scores, powers, np.float32(1 / math.sqrt(depth)))
        for head in range(heads):
            for step in range(WINDOW):
                row = memory[start + step, keys_from + width + head * depth :]
                for column in range(depth):
                    packed_values[column // TILE, 1 + step, column % TILE] = row[column]
            call_product(
                small, scores_at + head * part_bytes, 4 * TILE, 0, queries, address_of(packed_values), TILE,
                answered + 4 * head * depth, out.strides[0], depth // TILE, False,
            )  # fmt: skip


@compiled
def _softmax(scores: Any, powers: Any, scale: Any) -> None:
    """Softmax of the first W values of each row of scores (rows, TILE) times ``scale``, in place.

    ``powers`` (rows, TILE) int32 is scratch space for the powers of two, which are written as float exponents.
    """
    factor = scale * _LOG2_E
    for row in scores:
        highest = row[0]
        for step in range(1, WINDOW):
            highest = max(highest, row[step])
        for step in range(TILE):
            row[step] = max((row[step] - highest) * factor, _MIN_EXPONENT)
    flat, bits = scores.reshape(-1), powers.reshape(-1)
    exponents = bits.view(np.float32)
    for place in range(len(flat)):
        whole = np.rint(flat[place])
        rest = flat[place] - whole
        series = _SERIES[6]
        series = series * rest + _SERIES[5]
        series = series * rest + _SERIES[4]
        series = series * rest + _SERIES[3]
        series = series * rest + _SERIES[2]
        series = series * rest + _SERIES[1]
        flat[place] = series * rest + _SERIES[0]
        bits[place] = (np.int32(whole) + 127) << 23
    for place in range(len(flat)):
        flat[place] *= exponents[place]
    for row in scores:
        total = np.float32(0)
        for step in range(WINDOW):
            total += row[step]
        for step in range(TILE):
            row[step] /= total
