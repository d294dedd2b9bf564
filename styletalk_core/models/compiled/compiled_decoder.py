"""Compiled CPU decoder of `styletalk`: computes a frame for a batch of sessions in a single native call.

Same weights and arithmetic as `StyleTalk.decode` with cached styles, up to the rounding of the kernel's weights.
Shapes: B sessions, W = 11 columns of the window, C the width of the network, L layers.

Runs on: any thread; pure; does not import PyTorch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.models.compiled.attention_steps import small_kernel
from styletalk_core.models.compiled.decoder_steps import (
    CROSS_MEMORY,
    CROSS_OUT,
    CROSS_QUERY,
    FIRST,
    MATRICES,
    SECOND,
    SELF,
    SELF_OUT,
    SELF_QUERY,
    decode_part,
    encode,
)
from styletalk_core.models.compiled.kernel_choice import fastest_kernel, lanes_here
from styletalk_core.models.compiled.lip_range import widening
from styletalk_core.models.compiled.numpy_style_encoder import encode_style
from styletalk_core.models.compiled.numpy_transformer import sinusoid_positions
from styletalk_core.models.compiled.packed import PackedLinear, pack, spec
from styletalk_core.models.compiled.tile_kernel import STEPS, Kernel, machine_code
from styletalk_core.models.dimensions import LIP_SIGNALS, OPENING, PRESSED
from styletalk_core.models.phone_windows import probability_columns
from styletalk_core.models.style_mixing import PartStyles
from styletalk_core.models.weight_file import Tensors, Weights
from styletalk_core.phones import PHONES, WINDOW

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CompiledState:
    """Decoding state of B styles; owns the mixed weights that its addresses point to."""

    first: NDArray[np.intp]
    """(2, B, L) addresses of the mixed feed-forward weights of the upper and the lower part."""
    target: Float
    """(2, B*W, C): see `PartStyle.target`."""
    query: Float
    """(2, B*W, C): see `PartStyle.query`."""
    part_rest: tuple[Float, Float]
    """(B, 51) and (B, 13): see `PartStyle.rest`."""
    mean: Float
    """(B, 64): mean of the style clip if the code contains it, else zero."""
    std: Float
    """(B, 64): standard deviation of the style clip if the code contains it, else one."""
    widening: Float
    """(B, 13, 13) added to the lower face, see `lip_range`; zero if the network is not calibrated."""
    weights: tuple[PackedLinear, ...]


class CompiledStyleTalk:
    """A network compiled for frame-by-frame decoding on the CPU.

    Attributes:
        kernel: the kernel of its matrix products.
    """

    def __init__(self, weights: Weights, kernel: Kernel | None = None) -> None:
        """Packs a network for a kernel, by default the fastest.

        Raises:
            InputError: no kernel supports the widths of the network.
        """
        d = weights.dimensions
        self.kernel = kernel or fastest_kernel(d)
        self._weights = weights
        self._spec, self._small = spec(self.kernel), machine_code(small_kernel(lanes_here()))
        self._table, self._positions = _first_tokens(weights, self.kernel)
        self._encoder = _Layers(weights, "content_encoder", self.kernel)
        outputs = {"upper": len(d.upper), "lower": len(d.lower)}
        self._parts = [_Part(weights, part, self.kernel) for part in outputs]
        self._styles = [PartStyles(weights, part, count, self.kernel) for part, count in outputs.items()]
        self._order = np.argsort(np.array(d.upper + d.lower))

    def encode_style(self, clip: Float) -> Float:
        """Encodes a style clip (L, 64) into its code (C,), as `StyleTalk.encode_style`."""
        return encode_style(clip, self._weights)

    def mix_style(self, code: Float) -> CompiledState:
        """Computes the state of style codes (B, C); called once per style change.

        Raises:
            InputError: a code is not finite.
        """
        if not np.isfinite(code).all():
            raise InputError("the style code contains values that are not finite")
        # One at a time, so that the state of a style does not depend on the others in the batch.
        return self.join([self._mixed(one[None]) for one in code])

    def _mixed(self, code: Float) -> CompiledState:
        """State of one style code (1, C)."""
        d = self._weights.dimensions
        parts = [styles.mix(code[:, : d.width]) for styles in self._styles]
        rest, reach = np.zeros((2, len(code), d.coefficients), np.float32)
        reach += 1
        if d.statistics:
            rest, deviation = np.split(code[:, d.width : d.width + 2 * d.coefficients], 2, axis=1)
            reach = np.exp(deviation)
        lower = list(d.lower)
        wider = np.zeros((len(code), len(lower), len(lower)), np.float32)
        if d.calibrated:
            lips = self._weights.tensors
            wider = widening(code[:, -LIP_SIGNALS:], reach[:, lower], lips["lip_articulators"], lips["lip_back"])
        return CompiledState(
            np.array([[[one.address for one in style] for style in part.first] for part in parts], np.intp),
            np.stack([part.target for part in parts]),
            np.stack([part.query for part in parts]),
            (parts[0].rest, parts[1].rest),
            rest,
            reach,
            wider,
            tuple(one for part in parts for style in part.first for one in style),
        )

    def join(self, states: Sequence[CompiledState]) -> CompiledState:
        """Concatenates the states of several sessions into a batch; copies no weights."""
        if len(states) == 1:
            return states[0]
        upper, lower = zip(*(state.part_rest for state in states), strict=True)
        return CompiledState(
            np.concatenate([state.first for state in states], axis=1),
            np.concatenate([state.target for state in states], axis=1),
            np.concatenate([state.query for state in states], axis=1),
            (np.concatenate(upper), np.concatenate(lower)),
            np.concatenate([state.mean for state in states]),
            np.concatenate([state.std for state in states]),
            np.concatenate([state.widening for state in states]),
            tuple(weights for state in states for weights in state.weights),
        )

    def decode(self, phones: NDArray[Any], state: CompiledState) -> Float:
        """Decodes the centre frame of each phone window, as `StyleTalk.decode`.

        Args:
            phones: (B, 11) integer ids or (B, 11, 41) float probability columns, 30 fps.
            state: B styles; row i decodes phones[i].

        Returns:
            (B, 64) float32 expression coefficients.

        Raises:
            InputError: an id outside 0..40, a probability that is not finite, or shapes that do not match.
        """
        columns = probability_columns(phones)
        if len(columns) != len(state.mean):
            raise InputError(f"{len(columns)} rows of phones do not match {len(state.mean)} styles")
        x = np.zeros((len(columns) * WINDOW, len(PHONES) + -len(PHONES) % STEPS), np.float32)
        x[:, : len(PHONES)] = columns.reshape(-1, len(PHONES))
        heads, encoder = self._weights.dimensions.heads, self._encoder
        content = encode(
            x,
            self._table.address,
            self._positions,
            encoder.addresses,
            encoder.norms,
            encoder.hidden,
            heads,
            self._spec,
            self._small,
        )
        moved = [
            decode_part(
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
                self._spec,
                self._small,
            )[:, : part.outputs]
            + state.part_rest[index]
            for index, part in enumerate(self._parts)
        ]
        if self._weights.dimensions.calibrated:
            moved[1] = moved[1] + np.einsum("bkl,bl->bk", state.widening, moved[1])
        coefficients = np.concatenate(moved, axis=1)[:, self._order]
        return _in_style(coefficients, state) if self._weights.dimensions.statistics else coefficients


class _Layers:
    """Packed weights of a stack of layers, with the addresses and norms for the compiled functions."""

    def __init__(self, weights: Weights, stack: str, kernel: Kernel) -> None:
        d, tensors = weights.dimensions, weights.tensors
        names = [f"{stack}.layers.{layer}" for layer in range(d.layers)]
        make = _encoder_matrices if stack == "content_encoder" else _decoder_matrices
        matrices = [make(tensors, names, layer, kernel) for layer in range(d.layers)]
        self.packed = [matrix for row in matrices for matrix in row.values()]
        self.addresses = np.zeros((d.layers, MATRICES), np.intp)
        for layer, row in enumerate(matrices):
            for place, matrix in row.items():
                self.addresses[layer, place] = matrix.address
        norms = ("norm1", "norm2") if stack == "content_encoder" else ("norm1", "norm2", "norm3")
        self.norms = np.stack([[_norm(tensors, f"{name}.{norm}") for norm in norms] for name in names])
        self.hidden = d.feed_forward


class _Part:
    """One part decoder."""

    def __init__(self, weights: Weights, part: str, kernel: Kernel) -> None:
        tensors = weights.tensors
        self.layers = _Layers(weights, part, kernel)
        self.norm = _norm(tensors, f"{part}.norm")
        self.tail = [_packed(tensors, f"{part}.tail.{index}", kernel) for index in (0, 2, 4)]
        self.tail_addresses = np.array([one.address for one in self.tail], np.intp)
        self.tail_width = weights.dimensions.width // 2
        self.outputs, self.padded = len(tensors[f"{part}.tail.4.bias"]), self.tail[-1].outputs


def _first_tokens(weights: Weights, kernel: Kernel) -> tuple[PackedLinear, Float]:
    """Phone table and position table (W, 4C): tokens with their projections in the first encoder layer."""
    tensors = weights.tensors
    project = tensors["content_encoder.project.weight"]
    phones = tensors["content_encoder.embedding.weight"] @ project.T + tensors["content_encoder.project.bias"]
    positions = sinusoid_positions(WINDOW, weights.dimensions.width)
    first = "content_encoder.layers.0.self_attn"
    projection, shift = tensors[f"{first}.in_proj_weight"], tensors[f"{first}.in_proj_bias"]
    table = np.concatenate([phones, phones @ projection.T], axis=1)
    return pack(table.T, None, kernel), np.concatenate([positions, positions @ projection.T + shift], axis=1)


def _encoder_matrices(tensors: Tensors, names: list[str], layer: int, kernel: Kernel) -> dict[int, PackedLinear]:
    name = names[layer]
    return {
        SELF: _projection(tensors, f"{name}.self_attn", kernel, 0, 3),
        SELF_OUT: _packed(tensors, f"{name}.self_attn.out_proj", kernel),
        FIRST: _packed(tensors, f"{name}.linear1", kernel),
        SECOND: _packed(tensors, f"{name}.linear2", kernel),
    }


def _decoder_matrices(tensors: Tensors, names: list[str], layer: int, kernel: Kernel) -> dict[int, PackedLinear]:
    name = names[layer]
    matrices = {
        CROSS_QUERY: _projection(tensors, f"{name}.multihead_attn", kernel, 0, 1),
        CROSS_MEMORY: _projection(tensors, f"{name}.multihead_attn", kernel, 1, 3),
        CROSS_OUT: _packed(tensors, f"{name}.multihead_attn.out_proj", kernel),
        SECOND: _packed(tensors, f"{name}.linear2", kernel),
    }
    if layer > 0:
        last = layer == len(names) - 1
        matrices[SELF] = _projection(tensors, f"{name}.self_attn", kernel, 1 if last else 0, 3)
        matrices[SELF_OUT] = _packed(tensors, f"{name}.self_attn.out_proj", kernel)
        if last:
            matrices[SELF_QUERY] = _projection(tensors, f"{name}.self_attn", kernel, 0, 1)
    return matrices


def _projection(tensors: Tensors, name: str, kernel: Kernel, first: int, last: int) -> PackedLinear:
    """The projection of parts ``first`` up to ``last`` of query, key and value."""
    weight, bias = tensors[f"{name}.in_proj_weight"], tensors[f"{name}.in_proj_bias"]
    rows = slice(first * weight.shape[1], last * weight.shape[1])
    return pack(weight[rows], bias[rows], kernel)


def _packed(tensors: Tensors, name: str, kernel: Kernel) -> PackedLinear:
    return pack(tensors[f"{name}.weight"], tensors[f"{name}.bias"], kernel)


def _norm(tensors: Tensors, name: str) -> Float:
    """(2, C): scale and shift of a layer norm."""
    return np.stack([tensors[f"{name}.weight"], tensors[f"{name}.bias"]])


def _in_style(moved: Float, state: CompiledState) -> Float:
    """`styletalk.in_style` of (B, 64)."""
    coefficients = state.mean + state.std * moved
    mean, deviation, opening = state.mean[:, OPENING], state.std[:, OPENING], moved[:, OPENING]
    nearly = np.maximum(mean - deviation, deviation / 4)
    beyond = opening - (nearly - mean) / deviation
    closing = nearly * np.where(beyond > -1, 1 + beyond, np.float32(PRESSED) * (1 + beyond))
    coefficients[:, OPENING] = np.where(beyond > 0, coefficients[:, OPENING], closing)
    return coefficients
