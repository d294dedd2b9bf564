"""Style state of the compiled decoder: mixed feed-forward weights and the first layer's target of a style code.

Same arithmetic as `StyleTalk.mix_style`. The experts are stored in the order of the kernel, quantised to 16-bit
integers with a scale per output, so that a style change reads them once, at half the size, and copies nothing.

Runs on: any thread; pure.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from styletalk_core.models.compiled.numpy_transformer import (
    Float,
    layer_norm,
    linear,
    self_attention,
    sinusoid_positions,
    softmax,
)
from styletalk_core.models.compiled.packed import PackedLinear, compiled, ordered, store
from styletalk_core.models.compiled.tile_kernel import Kernel
from styletalk_core.models.weight_file import Weights
from styletalk_core.phones import WINDOW

_MAX_INT16 = 32_767


@dataclass(frozen=True, slots=True)
class PartStyle:
    """State of one part decoder for B styles, independent of phones."""

    first: tuple[tuple[PackedLinear, ...], ...]
    """Per style and layer, the mixed first layer of the feed-forward."""
    target: Float
    """(B*W, C): target of the first layer after its self-attention."""
    query: Float
    """(B*W, C): the same, projected for the first layer's cross-attention to the content."""
    rest: Float
    """(B, outputs): resting expression of the style, added to the output; zero in the paper's network."""


class PartStyles:
    """Everything in one part decoder that depends only on the style."""

    def __init__(self, weights: Weights, part: str, outputs: int, kernel: Kernel) -> None:
        d = weights.dimensions
        self._dimensions, self._tensors, self._part, self._outputs = d, weights.tensors, part, outputs
        self._kernel = kernel
        self._positions = sinusoid_positions(WINDOW, d.width)
        self._experts = [_Experts(self._tensors[f"{name}.weight"], kernel) for name in self._layers()]

    def mix(self, learnt: Float) -> PartStyle:
        """Computes the state for the learnt part of style codes (B, C)."""
        first = f"{self._part}.layers.0"
        tokens = learnt[:, None, :] + self._positions
        attended = self_attention(self._tensors, f"{first}.self_attn", tokens, self._dimensions.heads)
        target = layer_norm(self._tensors, f"{first}.norm1", tokens + attended).reshape(-1, tokens.shape[-1])
        width = self._dimensions.width
        asking, shift = (self._tensors[f"{first}.multihead_attn.in_proj_{kind}"][:width] for kind in ("weight", "bias"))
        rest = np.zeros((len(learnt), self._outputs), np.float32)
        if self._dimensions.own_rest:
            rest = linear(self._tensors, f"{self._part}.rest", learnt)
        mixed = tuple(self._mixed(code) for code in learnt)
        return PartStyle(mixed, target, target @ asking.T + shift, rest)

    def _mixed(self, code: Float) -> tuple[PackedLinear, ...]:
        """The feed-forward of each layer for one style (C,), equations 2-3."""
        mixed = []
        for name, experts in zip(self._layers(), self._experts, strict=True):
            hidden = np.maximum(self._tensors[f"{name}.attention.0.weight"] @ code, 0)
            score = self._tensors[f"{name}.attention.2.weight"] @ hidden
            share = softmax(score / np.float32(self._dimensions.temperature))
            mixed.append(store(experts.mix(share), share @ self._tensors[f"{name}.bias"], self._kernel))
        return tuple(mixed)

    def _layers(self) -> list[str]:
        return [f"{self._part}.layers.{layer}.linear1" for layer in range(self._dimensions.layers)]


class _Experts:
    """K parallel linear layers."""

    def __init__(self, weight: Float, kernel: Kernel) -> None:
        """Quantises weight (K, out, in)."""
        values = [ordered(expert, kernel) for expert in weight]
        units = [_units(expert, kernel) for expert in values]
        self._values: NDArray[np.int16] = np.stack(
            [np.rint(one / unit).astype(np.int16) for one, unit in zip(values, units, strict=True)]
        )
        self._units: Float = np.stack(units)[:, :, 0]

    def mix(self, share: Float) -> Float:
        """Weighted mean with shares (K,), in the order of the kernel."""
        mixed = np.zeros(self._values.shape[1:], np.float32)
        _mix(self._values, self._units * share[:, None, None], mixed)
        return mixed


def _units(values: Float, kernel: Kernel) -> Float:
    """Quantisation scale per output, (tiles, 1, tile * together), of ordered weights."""
    tiles, _, width = values.shape
    largest = np.abs(values).max(axis=1).reshape(tiles, kernel.tile, -1).max(axis=2, keepdims=True)
    units = np.maximum(largest / np.float32(_MAX_INT16), np.float32(1e-30))
    return np.repeat(units, width // kernel.tile, axis=2).reshape(tiles, 1, width)


@compiled
def _mix(values: Any, factors: Any, mixed: Any) -> None:
    """Adds values (K, tiles, steps, width) times factors (K, tiles, width) to mixed (tiles, steps, width)."""
    experts, tiles, steps, width = values.shape
    for tile in range(tiles):
        for expert in range(experts):
            factor = factors[expert, tile]
            for step in range(steps):
                total, value = mixed[tile, step], values[expert, tile, step]
                for place in range(width):
                    total[place] += factor[place] * np.float32(value[place])
