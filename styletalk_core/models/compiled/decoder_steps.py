"""Compiled steps of the decoder: phones of a window to the coefficients of one part of the face.

Same arithmetic as `ContentEncoder` and `PartDecoder`. Shapes: B sessions, W = 11 columns of the window, C the width of
the network, L layers. ``addresses`` (L, `MATRICES`) are those of packed weights, 0 where a layer has none.

Constants are passed as typed numbers, because numba recompiles a function for each literal.

Runs on: any thread; pure. Compiled by numba on first use, which takes some seconds, and cached next to the module.
"""

import math
from typing import Any, Final

import numpy as np

from styletalk_core.models.compiled.attention_steps import attend
from styletalk_core.models.compiled.packed import compiled, linear
from styletalk_core.models.compiled.tile_kernel import stay_apart
from styletalk_core.phones import WINDOW

SELF: Final = 0
"""Queries, keys and values of self-attention; in the last layer of a decoder only keys and values."""
SELF_QUERY: Final = 1
"""Queries of the last layer of a decoder, computed only for the centre of the window."""
SELF_OUT: Final = 2
CROSS_QUERY: Final = 3
CROSS_MEMORY: Final = 4
"""Keys and values of the cross-attention to the content."""
CROSS_OUT: Final = 5
FIRST: Final = 6
"""First matrix of the feed-forward; in a part decoder it comes from the style."""
SECOND: Final = 7
MATRICES: Final = 8
_EPSILON: Final = 1e-5
"""Epsilon of `nn.LayerNorm`."""


@compiled
def add_norm(x: Any, change: Any, norm: Any) -> None:
    """x = layer_norm(x + change) in place; x and change (rows, C), ``norm`` (2, C)."""
    stay_apart()
    scale, shift = norm[0], norm[1]
    for row in range(len(x)):
        values, added = x[row], change[row]
        total, square = np.float32(0), np.float32(0)
        for column in range(len(values)):
            value = values[column] + added[column]
            values[column] = value
            total += value
        mean = total / np.float32(len(values))
        for column in range(len(values)):
            square += (values[column] - mean) ** 2
        unit = np.float32(1 / math.sqrt(square / len(values) + _EPSILON))
        for column in range(len(values)):
            values[column] = (values[column] - mean) * unit * scale[column] + shift[column]


@compiled
def encode(
    columns: Any, table: int, positions: Any, addresses: Any, norms: Any, hidden_width: int, heads: int, kernel: Any,
    small: int,
) -> Any:  # fmt: skip
    """Content features (B*W, C) of phone columns (B*W, 41 plus padding).

    ``table`` and ``positions`` (W, 4C) contain, for each phone and column, its token and its query, key and value in
    the first layer, all of which are linear in the phone.
    """
    rows, width = len(columns), positions.shape[1] // 4
    start = np.empty((rows, 4 * width), np.float32)
    linear(columns, table, start, np.bool_(False), kernel)
    x, asked = np.empty((rows, width), np.float32), np.empty((rows, 3 * width), np.float32)
    for row in range(rows):
        token, position = start[row], positions[row % WINDOW]
        for column in range(width):
            x[row, column] = token[column] + position[column]
        for column in range(3 * width):
            asked[row, column] = token[width + column] + position[width + column]
    mixed, change = np.empty((rows, width), np.float32), np.empty((rows, width), np.float32)
    hidden = np.empty((rows, hidden_width), np.float32)
    for layer in range(len(addresses)):
        if layer > 0:
            linear(x, addresses[layer, SELF], asked, np.bool_(False), kernel)
        attend(asked, asked, width, np.int64(WINDOW), heads, small, mixed)
        linear(mixed, addresses[layer, SELF_OUT], change, np.bool_(False), kernel)
        add_norm(x, change, norms[layer, 0])
        linear(x, addresses[layer, FIRST], hidden, np.bool_(True), kernel)
        linear(hidden, addresses[layer, SECOND], change, np.bool_(False), kernel)
        add_norm(x, change, norms[layer, 1])
    return x


@compiled
def centres(x: Any) -> Any:
    """The centre of each window: (B*W, C) -> (B, C)."""
    sessions, width = len(x) // WINDOW, x.shape[1]
    chosen = np.empty((sessions, width), np.float32)
    for session in range(sessions):
        for column in range(width):
            chosen[session, column] = x[session * WINDOW + WINDOW // 2, column]
    return chosen


@compiled
def _attend_target(x: Any, addresses: Any, norm: Any, last: bool, heads: int, kernel: Any, small: int) -> Any:
    """Self-attention block of x (B*W, C); in the ``last`` layer only for its centres (B, C)."""
    stay_apart()
    rows, width = x.shape
    memory = np.empty((rows, (2 if last else 3) * width), np.float32)
    linear(x, addresses[SELF], memory, np.bool_(False), kernel)
    target, asked = x, memory
    if last:
        target = centres(x)
        asked = np.empty_like(target)
        linear(target, addresses[SELF_QUERY], asked, np.bool_(False), kernel)
    mixed, change = np.empty_like(target), np.empty_like(target)
    attend(asked, memory, 0 if last else width, 1 if last else WINDOW, heads, small, mixed)
    linear(mixed, addresses[SELF_OUT], change, np.bool_(False), kernel)
    add_norm(target, change, norm)
    return target


@compiled
def decode_part(
    content: Any, target: Any, first_query: Any, first: Any, addresses: Any, norms: Any, hidden_width: int, tail: Any,
    norm: Any, tail_width: int, padded: int, heads: int, kernel: Any, small: int,
) -> Any:  # fmt: skip
    """Coefficients (B, padded outputs) of one part from content (B*W, C).

    target and first_query (B*W, C) and first (B, L) are precomputed per style, see `CompiledState`.
    """
    rows, width = content.shape
    sessions, layers = rows // WINDOW, len(addresses)
    memory = np.empty((rows, 2 * width), np.float32)
    x, query, queries = target.copy(), first_query.copy(), WINDOW
    for layer in range(layers):
        last = layer == layers - 1
        if layer > 0:
            x = _attend_target(x, addresses[layer], norms[layer, 0], last, heads, kernel, small)
            query = np.empty_like(x)
            linear(x, addresses[layer, CROSS_QUERY], query, np.bool_(False), kernel)
        elif last:
            x, query = centres(x), centres(query)
        if last:
            queries = 1
        linear(content, addresses[layer, CROSS_MEMORY], memory, np.bool_(False), kernel)
        mixed, change = np.empty_like(x), np.empty_like(x)
        attend(query, memory, np.int64(0), queries, heads, small, mixed)
        linear(mixed, addresses[layer, CROSS_OUT], change, np.bool_(False), kernel)
        add_norm(x, change, norms[layer, 1])
        hidden = np.empty((len(x), hidden_width), np.float32)
        for session in range(sessions):
            own = slice(session * queries, (session + 1) * queries)
            linear(x[own], first[session, layer], hidden[own], np.bool_(True), kernel)
        linear(hidden, addresses[layer, SECOND], change, np.bool_(False), kernel)
        add_norm(x, change, norms[layer, 2])
    add_norm(x, np.zeros_like(x), norm)
    inner, outer = np.empty((sessions, tail_width), np.float32), np.empty((sessions, tail_width), np.float32)
    result = np.empty((sessions, padded), np.float32)
    linear(x, tail[0], inner, np.bool_(True), kernel)
    linear(inner, tail[1], outer, np.bool_(True), kernel)
    linear(outer, tail[2], result, np.bool_(False), kernel)
    return result
