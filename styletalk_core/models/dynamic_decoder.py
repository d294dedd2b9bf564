"""Style-controllable dynamic decoder E_d (section 3.3, equations 2-3).

A style code selects, through a softmax over K experts, the feed-forward weights of every decoder layer. The mix
depends on the style only, as does the first layer up to its cross-attention, so both live in a `PartState` that is
computed once per style change; decoding a frame is then a plain transformer step. In the last layer only the query
of the window's centre is computed, because only the centre becomes coefficients.

Deviation: with ``own_rest`` a linear map of the style code gives the style's resting expression, to which the decoder
adds; minutes of data teach a style's mean expression in hundreds of steps that way, not in many thousands. The
official networks have none; `test_styletalk.py` shows that it is all that differs.

Runs on: any torch device; pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from styletalk_core.models.transformer import Attention, sinusoid_positions


@dataclass(frozen=True, slots=True)
class MixedLinear:
    """Feed-forward weights mixed for B styles."""

    weight: Tensor
    """(B, out, in)"""
    bias: Tensor
    """(B, out)"""

    def relu(self, x: Tensor) -> Tensor:
        """Applies row i of the B styles to x[i], then ReLU: (B, T, in) -> (B, T, out)."""
        return torch.baddbmm(self.bias[:, None], x, self.weight.mT).relu()


class AdaptiveLinear(nn.Module):
    """K parallel linear layers whose weights are averaged by style-controlled attention."""

    def __init__(self, inputs: int, outputs: int, style: int, experts: int, ratio: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.weight = nn.Parameter(torch.empty(experts, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(experts, outputs))
        self.attention = nn.Sequential(
            nn.Linear(style, style // ratio, bias=False), nn.ReLU(), nn.Linear(style // ratio, experts, bias=False)
        )
        bound = 1 / math.sqrt(inputs)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def mix(self, style: Tensor) -> MixedLinear:
        """Mixes the experts for style (B, C), equations 2-3."""
        share = (self.attention(style) / self.temperature).softmax(dim=-1)
        weight = (share @ self.weight.flatten(1)).unflatten(1, self.weight.shape[1:])
        return MixedLinear(weight, share @ self.bias)


class DecoderLayer(nn.Module):
    """Self-attention, attention over the content and a style-aware adaptive feed-forward, post-norm."""

    def __init__(self, width: int, heads: int, feed_forward: int, experts: int, ratio: int, temperature: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.multihead_attn = Attention(width, heads)
        self.linear1 = AdaptiveLinear(width, feed_forward, width, experts, ratio, temperature)
        self.linear2 = nn.Linear(feed_forward, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        nn.init.xavier_uniform_(self.linear2.weight)

    def attend_target(self, query: Tensor, target: Tensor) -> Tensor:
        """Self-attention block: queries (B, Q, C) over all targets (B, W, C)."""
        normalised: Tensor = self.norm1(query + self.self_attn(query, target))
        return normalised

    def attend_content(self, x: Tensor, query: Tensor, content: Tensor, linear1: MixedLinear) -> Tensor:
        """Cross-attention and adaptive feed-forward for S styles of N frames each.

        x (S*N, Q, C) and its projected query, content (S*N, W, C).
        """
        x = self.norm2(x + self.multihead_attn.attend(query, *self.multihead_attn.project_key_value(content)))
        hidden = linear1.relu(x.reshape(len(linear1.bias), -1, x.shape[-1])).reshape(*x.shape[:2], -1)
        normalised: Tensor = self.norm3(x + self.linear2(hidden))
        return normalised


@dataclass(frozen=True, slots=True)
class PartState:
    """State of one part decoder for B styles."""

    linear1: tuple[MixedLinear, ...]
    """Mixed feed-forward weights, one per layer."""
    target: Tensor
    """(B, W, C): target of the first layer after self-attention."""
    query: Tensor
    """(B, W, C): the same, projected for the first layer's attention to the content."""
    rest: Tensor
    """(B, outputs): resting expression of the style, added to the output; zero in the paper's network."""

    @staticmethod
    def join(states: "Sequence[PartState]") -> "PartState":
        """Joins the states of several sessions into one batch, in the same order."""
        layers = tuple(
            MixedLinear(torch.cat([one.weight for one in mixed]), torch.cat([one.bias for one in mixed]))
            for mixed in zip(*(state.linear1 for state in states), strict=True)
        )
        rows = zip(*((state.target, state.query, state.rest) for state in states), strict=True)
        return PartState(layers, *(torch.cat(row) for row in rows))


class PartDecoder(nn.Module):
    """Decoder of one part of the face: style tokens query the content; the centre token becomes coefficients."""

    positions: Tensor

    def __init__(
        self,
        width: int,
        heads: int,
        feed_forward: int,
        layers: int,
        experts: int,
        ratio: int,
        temperature: float,
        window: int,
        outputs: int,
        own_rest: bool,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderLayer(width, heads, feed_forward, experts, ratio, temperature) for _ in range(layers)
        )
        self.rest = nn.Linear(width, outputs) if own_rest else None
        self.outputs = outputs
        self.norm = nn.LayerNorm(width)
        self.tail = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.ReLU(),
            nn.Linear(width // 2, width // 2),
            nn.ReLU(),
            nn.Linear(width // 2, outputs),
        )
        self.register_buffer("positions", sinusoid_positions(window, width), persistent=False)

    def mix(self, style: Tensor) -> PartState:
        """Computes everything that depends on style (B, C) alone."""
        tokens = style[:, None, :] + self.positions
        layers = cast("list[DecoderLayer]", list(self.layers))
        target = layers[0].attend_target(tokens, tokens)
        query = layers[0].multihead_attn.project_query(target)
        linear1 = tuple(layer.linear1.mix(style) for layer in layers)
        rest = style.new_zeros(len(style), self.outputs) if self.rest is None else self.rest(style)
        return PartState(linear1, target, query, rest)

    def forward(self, content: Tensor, state: PartState) -> Tensor:
        """Decodes content (S, N, W, C), N frames for each of S styles, into (S, N, outputs)."""
        styles, frames, window, width = content.shape
        centre = slice(window // 2, window // 2 + 1)
        rows = content.reshape(-1, window, width)
        x, query = (
            start[:, None].expand(styles, frames, window, width).reshape(-1, window, width)
            for start in (state.target, state.query)
        )
        layers = cast("list[DecoderLayer]", list(self.layers))
        for index, (layer, linear1) in enumerate(zip(layers, state.linear1, strict=True)):
            last = index == len(layers) - 1
            if index > 0:
                x = layer.attend_target(x[:, centre] if last else x, x)
                query = layer.multihead_attn.project_query(x)
            elif last:
                x, query = x[:, centre], query[:, centre]
            x = layer.attend_content(x, query, rows, linear1)
        moved: Tensor = self.tail(self.norm(x[:, 0])).unflatten(0, (styles, frames))
        return moved + state.rest[:, None]
