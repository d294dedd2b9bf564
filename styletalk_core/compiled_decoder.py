"""The decoder of `styletalk`, compiled: one call computes a frame of a batch of sessions without the interpreter.

Same weights and same arithmetic as `StyleTalk.decode` with cached styles; weights are float16, sums float32. The
shapes of the sizes below: B sessions, W = 11 columns of the window, C the network's width, L layers.

Runs on: any thread; pure. Compiled by numba on first use, which takes some seconds, and cached beside the module.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from styletalk_core.captured_decoder import CapturedStyleTalk
from styletalk_core.content_encoder import one_hot
from styletalk_core.dynamic_decoder import DecoderLayer, PartDecoder, PartState
from styletalk_core.errors import InputError
from styletalk_core.packed import LANES, TILE, PackedLinear, linear, pack, product
from styletalk_core.phones import PHONES, WINDOW
from styletalk_core.styletalk import StyleTalk, check_phones, in_style
from styletalk_core.transformer import Attention, EncoderLayer

_SELF_QUERY: Final = 0
_SELF_MEMORY: Final = 1
_SELF_OUT: Final = 2
_CROSS_QUERY: Final = 3
_CROSS_MEMORY: Final = 4
_CROSS_OUT: Final = 5
_FIRST: Final = 6
_SECOND: Final = 7
_MATRICES: Final = 8
"""Columns of a layer's row of weight addresses; a part decoder's first feed-forward layers come from the style."""
_STEPS: Final = 16
"""The window's 11 steps, rounded up to whole vector registers."""
_EPSILON: Final = 1e-5
"""Of `nn.LayerNorm`."""

_compiled: Any = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})


class StyleDecoder(Protocol):
    """What sessions need of a network; its states are of its own kind and carry their ``code`` (B, C)."""

    def mix_style(self, code: Tensor) -> Any:
        """Derives the state of style codes (B, C)."""

    def join(self, states: Sequence[Any]) -> Any:
        """Joins states into the state of their batch."""

    def decode(self, phones: Tensor, state: Any) -> Tensor:
        """Decodes one phone window per style: (B, 11) or (B, 11, 41) -> (B, 64)."""


def decoder_for(model: StyleTalk) -> StyleDecoder:
    """The fastest decoder of a loaded network on the device where it lies."""
    return CompiledStyleTalk(model) if model.order.device.type == "cpu" else CapturedStyleTalk(model)


@dataclass(frozen=True, slots=True)
class CompiledState:
    """B styles, ready to decode with; keeps the mixed weights alive that its addresses point to."""

    code: Tensor
    """(B, C)"""
    first: NDArray[np.intp]
    """(2, B, L) addresses of the mixed feed-forward weights of the upper and the lower part."""
    target: NDArray[np.float32]
    """(2, B*W, C): see `PartState.target`."""
    query: NDArray[np.float32]
    """(2, B*W, C): see `PartState.query`."""
    part_rest: tuple[NDArray[np.float32], NDArray[np.float32]]
    """(B, 51) and (B, 13): see `PartState.rest`."""
    rest: Tensor
    """(B, 64): see `StyleState.rest`."""
    reach: Tensor
    """(B, 64): see `StyleState.reach`."""
    weights: tuple[PackedLinear, ...]


class CompiledStyleTalk:
    """A loaded network, ready to decode frame by frame on a processor."""

    def __init__(self, model: StyleTalk) -> None:
        d = model.dimensions
        if d.width % (2 * TILE) or d.feed_forward % TILE or d.width // d.heads % LANES:
            raise InputError(
                f"a network of width {d.width}, feed-forward {d.feed_forward} and {d.heads} heads cannot be compiled: "
                f"the widths must be multiples of {2 * TILE} and {TILE}, that of a head of {LANES}"
            )
        self.model = model
        encoder = model.content_encoder
        self._table = pack(encoder.table().T)
        self._positions = _array(encoder.positions)
        self._encoder = _Layers(list(encoder.layers))
        self._parts = tuple(_Part(part) for part in (model.upper, model.lower))

    @torch.inference_mode()
    def mix_style(self, code: Tensor) -> CompiledState:
        """Derives the state of style codes (B, C); once per style change."""
        state = self.model.mix_style(code)
        first = [_packed_styles(part) for part in (state.upper, state.lower)]
        return CompiledState(
            code,
            np.array([[[weights.address for weights in style] for style in part] for part in first], np.intp),
            np.stack([_array(part.target.flatten(0, 1)) for part in (state.upper, state.lower)]),
            np.stack([_array(part.query.flatten(0, 1)) for part in (state.upper, state.lower)]),
            (_array(state.upper.rest), _array(state.lower.rest)),
            state.rest,
            state.reach,
            tuple(weights for part in first for style in part for weights in style),
        )

    def join(self, states: Sequence[CompiledState]) -> CompiledState:
        """Joins the states of several sessions into the state of their batch, in the same order; copies no weights."""
        if len(states) == 1:
            return states[0]
        upper, lower = zip(*(state.part_rest for state in states), strict=True)
        return CompiledState(
            torch.cat([state.code for state in states]),
            np.concatenate([state.first for state in states], axis=1),
            np.concatenate([state.target for state in states], axis=1),
            np.concatenate([state.query for state in states], axis=1),
            (np.concatenate(upper), np.concatenate(lower)),
            torch.cat([state.rest for state in states]),
            torch.cat([state.reach for state in states]),
            tuple(weights for state in states for weights in state.weights),
        )

    def decode(self, phones: Tensor, state: CompiledState) -> Tensor:
        """Decodes the centre frame of each phone window, as `StyleTalk.decode`.

        Args:
            phones: (B, 11) int64 ids or (B, 11, 41) float probability columns, 30 fps.
            state: of B styles; row i decodes phones[i].

        Returns:
            (B, 64) expression coefficients.

        Raises:
            InputError: an id outside 0..40, a probability that is not finite, or shapes that do not fit.
        """
        check_phones(phones)
        if len(phones) != len(state.code):
            raise InputError(f"{len(phones)} rows of phones do not fit {len(state.code)} styles")
        columns = phones if phones.is_floating_point() else one_hot(phones)
        x = np.ascontiguousarray(columns.numpy(), np.float32).reshape(-1, len(PHONES))
        heads = self.model.dimensions.heads
        content = _encode(
            x,
            self._table.address,
            self._positions,
            self._encoder.addresses,
            self._encoder.norms,
            self._encoder.hidden,
            heads,
        )
        moved = [
            _decode_part(
                content,
                state.target[index],
                state.query[index],
                state.first[index],
                part.layers.addresses,
                part.layers.norms,
                part.layers.hidden,
                part.tail_addresses,
                part.norm,
                part.tail_width,
                part.padded,
                heads,
            )[:, : part.outputs]
            + state.part_rest[index]
            for index, part in enumerate(self._parts)
        ]
        coefficients = torch.from_numpy(np.concatenate(moved, axis=1))[:, self.model.order]
        return in_style(coefficients, state.rest, state.reach) if self.model.dimensions.statistics else coefficients


class _Layers:
    """The weights of a stack of layers, with the addresses and norms that the compiled functions take."""

    def __init__(self, layers: "Sequence[nn.Module]") -> None:
        self.weights = [_matrices(layer) for layer in cast("list[EncoderLayer | DecoderLayer]", layers)]
        self.addresses = np.array(
            [[0 if matrix is None else matrix.address for matrix in row] for row in self.weights], np.intp
        )
        names = ("norm1", "norm2", "norm3") if isinstance(layers[0], DecoderLayer) else ("norm1", "norm2")
        self.norms = np.stack([[_norm(getattr(layer, name)) for name in names] for layer in layers])
        self.hidden = cast(nn.Linear, layers[0].linear2).in_features


class _Part:
    """One part decoder."""

    def __init__(self, part: PartDecoder) -> None:
        self.layers = _Layers(list(part.layers))
        self.norm = _norm(part.norm)
        linears = [cast(nn.Linear, part.tail[index]) for index in (0, 2, 4)]
        self.tail = [pack(one.weight, one.bias) for one in linears]
        self.tail_addresses = np.array([one.address for one in self.tail], np.intp)
        self.tail_width = linears[0].out_features
        self.outputs, self.padded = part.outputs, self.tail[-1].outputs


def _matrices(layer: EncoderLayer | DecoderLayer) -> list[PackedLinear | None]:
    crossing = _projections(layer.multihead_attn) if isinstance(layer, DecoderLayer) else [None] * 3
    first = None if isinstance(layer, DecoderLayer) else pack(layer.linear1.weight, layer.linear1.bias)
    return [*_projections(layer.self_attn), *crossing, first, pack(layer.linear2.weight, layer.linear2.bias)]


def _projections(attention: Attention) -> list[PackedLinear | None]:
    """Query, memory (keys and values) and output."""
    width = attention.in_proj_weight.shape[1]
    return [
        pack(attention.in_proj_weight[:width], attention.in_proj_bias[:width]),
        pack(attention.in_proj_weight[width:], attention.in_proj_bias[width:]),
        pack(attention.out_proj.weight, attention.out_proj.bias),
    ]


def _packed_styles(state: PartState) -> list[list[PackedLinear]]:
    """Per style and layer the mixed feed-forward weights."""
    return [
        [pack(mixed.weight[style], mixed.bias[style]) for mixed in state.linear1] for style in range(len(state.target))
    ]


def _norm(norm: nn.Module) -> NDArray[np.float32]:
    """(2, C): scale and shift of a layer norm."""
    layer = cast(nn.LayerNorm, norm)
    return np.stack([_array(layer.weight), _array(layer.bias)])


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().float().numpy())


@_compiled  # type: ignore[untyped-decorator]
def _add_norm(x: Any, change: Any, norm: Any) -> None:
    """x = layer norm of x + change, (rows, C), in place; ``norm`` (2, C)."""
    rows, width = x.shape
    for row in range(rows):
        total, square = np.float32(0), np.float32(0)
        for column in range(width):
            value = x[row, column] + change[row, column]
            x[row, column] = value
            total += value
        mean = total / np.float32(width)
        for column in range(width):
            square += (x[row, column] - mean) ** 2
        scale = np.float32(1 / math.sqrt(square / width + _EPSILON))
        for column in range(width):
            x[row, column] = (x[row, column] - mean) * scale * norm[0, column] + norm[1, column]


@_compiled  # type: ignore[untyped-decorator]
def _attend(query: Any, memory: Any, queries: int, heads: int, out: Any) -> None:
    """Attention of each session's rows to its window, per head.

    query and out (B*queries, C), memory (B*W, 2C) keys beside values; both are laid out as `product` wants them.
    """
    width = query.shape[1]
    depth = width // heads
    scale = np.float32(1 / math.sqrt(depth))
    keys = np.zeros((_STEPS // LANES, depth, LANES), np.float32)
    values = np.zeros((depth // LANES, _STEPS, LANES), np.float32)
    scores = np.empty((queries, _STEPS), np.float32)
    for session in range(len(query) // queries):
        start, own = session * WINDOW, slice(session * queries, (session + 1) * queries)
        for head in range(0, width, depth):
            for step in range(WINDOW):
                for column in range(depth):
                    keys[step // LANES, column, step % LANES] = memory[start + step, head + column] * scale
                    values[column // LANES, step, column % LANES] = memory[start + step, width + head + column]
            product(query[own, head : head + depth], keys, scores)
            for row in scores:
                highest, total = row[0], np.float32(0)
                for step in range(1, WINDOW):
                    highest = max(highest, row[step])
                for step in range(WINDOW):
                    row[step] = math.exp(row[step] - highest)
                    total += row[step]
                for step in range(WINDOW):
                    row[step] /= total
            product(scores, values, out[own, head : head + depth])


@_compiled  # type: ignore[untyped-decorator]
def _self_attention(x: Any, queries: int, addresses: Any, heads: int) -> Any:
    """Attention of x (B*W, C) to itself; of its centre rows alone where ``queries`` is 1. Returns what is added."""
    rows, width = x.shape
    asking = x[WINDOW // 2 :: WINDOW] if queries == 1 else x
    memory = np.empty((rows, 2 * width), np.float32)
    query, mixed = np.empty((len(asking), width), np.float32), np.empty((len(asking), width), np.float32)
    linear(x, addresses[_SELF_MEMORY], memory, False)
    linear(asking, addresses[_SELF_QUERY], query, False)
    _attend(query, memory, queries, heads, mixed)
    linear(mixed, addresses[_SELF_OUT], query, False)
    return query


@_compiled  # type: ignore[untyped-decorator]
def _encode(columns: Any, table: int, positions: Any, addresses: Any, norms: Any, hidden_width: int, heads: int) -> Any:
    """Content features (B*W, C) of phone columns (B*W, 41)."""
    rows, width = len(columns), positions.shape[1]
    x, change = np.empty((rows, width), np.float32), np.empty((rows, width), np.float32)
    hidden = np.empty((rows, hidden_width), np.float32)
    linear(columns, table, x, False)
    for row in range(rows):
        x[row] += positions[row % WINDOW]
    for layer in range(len(addresses)):
        _add_norm(x, _self_attention(x, WINDOW, addresses[layer], heads), norms[layer, 0])
        linear(x, addresses[layer, _FIRST], hidden, True)
        linear(hidden, addresses[layer, _SECOND], change, False)
        _add_norm(x, change, norms[layer, 1])
    return x


@_compiled  # type: ignore[untyped-decorator]
def _decode_part(
    content: Any,
    target: Any,
    first_query: Any,
    first: Any,
    addresses: Any,
    norms: Any,
    hidden_width: int,
    tail: Any,
    norm: Any,
    tail_width: int,
    padded: int,
    heads: int,
) -> Any:
    """Coefficients (B, padded outputs) of one part from content (B*W, C)."""
    rows, width = content.shape
    sessions, layers = rows // WINDOW, len(addresses)
    memory, change = np.empty((rows, 2 * width), np.float32), np.empty((0, width), np.float32)
    x, query, queries = target.copy(), first_query.copy(), WINDOW
    for layer in range(layers):
        if layer == layers - 1:
            queries = 1
        if layer > 0:
            change = _self_attention(x, queries, addresses[layer], heads)
        if queries == 1:
            x, query = x[WINDOW // 2 :: WINDOW].copy(), query[WINDOW // 2 :: WINDOW].copy()
        if layer > 0:
            _add_norm(x, change, norms[layer, 0])
            linear(x, addresses[layer, _CROSS_QUERY], query, False)
        linear(content, addresses[layer, _CROSS_MEMORY], memory, False)
        mixed, change = np.empty_like(x), np.empty_like(x)
        _attend(query, memory, queries, heads, mixed)
        linear(mixed, addresses[layer, _CROSS_OUT], change, False)
        _add_norm(x, change, norms[layer, 1])
        hidden = np.empty((len(x), hidden_width), np.float32)
        for session in range(sessions):
            own = slice(session * queries, (session + 1) * queries)
            linear(x[own], first[session, layer], hidden[own], True)
        linear(hidden, addresses[layer, _SECOND], change, False)
        _add_norm(x, change, norms[layer, 2])
    _add_norm(x, np.zeros_like(x), norm)
    inner, outer = np.empty((sessions, tail_width), np.float32), np.empty((sessions, tail_width), np.float32)
    result = np.empty((sessions, padded), np.float32)
    linear(x, tail[0], inner, True)
    linear(inner, tail[1], outer, True)
    linear(outer, tail[2], result, False)
    return result
