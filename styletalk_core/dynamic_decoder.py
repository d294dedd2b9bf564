"""Style-controllable dynamic decoder E_d (section 3.3, equations 2-3).

A style code selects, through a softmax over K experts, the feed-forward weights of every decoder layer. The mix
depends on the style only, as does the first layer up to its cross-attention, so both live in a `PartState` that is
computed once per style change; decoding a frame is then a plain transformer step. In the last layer only the query
of the window's centre is computed, because only the centre becomes coefficients.

Deviation: with ``own_rest`` a linear map of the style code gives the style's resting expression, to which the decoder
adds; minutes of data teach a style's mean expression in hundreds of steps that way, not in many thousands. The
official networks have none; `tests/unit/test_styletalk.py` shows that it is all that differs.

Runs on: any torch device; pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from styletalk_core.packed import PackedLinear, pack_linears
from styletalk_core.transformer import Attention, sinusoid_positions


@dataclass(frozen=True, slots=True)
class MixedLinear:
    """Feed-forward weights already mixed for B styles, kept as groups so that joining sessions copies nothing."""

    groups: tuple[tuple[Tensor, Tensor] | PackedLinear, ...]
    """Per group b of the B styles: weight (b, out, in) and bias (b, out), or one style's packed weights."""

    @property
    def styles(self) -> int:
        """B."""
        return sum(1 if isinstance(group, PackedLinear) else len(group[0]) for group in self.groups)

    def __call__(self, x: Tensor) -> Tensor:
        """Applies row i of the B styles to x[i]: (B, T, in) -> (B, T, out)."""
        outputs, start = [], 0
        for group in self.groups:
            if isinstance(group, PackedLinear):
                outputs.append(group.forward(x[start : start + 1]))
                start += 1
                continue
            weight, bias = group
            part = x[start : start + len(weight)]
            if len(weight) == 1:
                outputs.append(F.linear(part, weight[0], bias[0]))
            else:
                outputs.append(torch.baddbmm(bias[:, None], part, weight.mT))
            start += len(weight)
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


class AdaptiveLinear(nn.Module):
    """K parallel linear layers whose weights are averaged under an attention that the style code controls."""

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

    def mix(self, style: Tensor) -> tuple[Tensor, Tensor]:
        """Mixes the experts for style (B, C): weight (B, out, in) and bias (B, out), equations 2-3."""
        share = (self.attention(style) / self.temperature).softmax(dim=-1)
        weight = (share @ self.weight.flatten(1)).unflatten(1, self.weight.shape[1:])
        return weight, share @ self.bias


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
        return self.norm1(query + self.self_attn(query, target))  # type: ignore[no-any-return]

    def attend_content(self, x: Tensor, content: Tensor, linear1: MixedLinear) -> Tensor:
        """Cross-attention and adaptive feed-forward: x (S*N, Q, C), content (S*N, W, C), S styles of N frames each."""
        x = self.norm2(x + self.multihead_attn(x, content))
        hidden = F.relu(linear1(x.reshape(linear1.styles, -1, x.shape[-1]))).reshape(*x.shape[:2], -1)
        return self.norm3(x + self.linear2(hidden))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class PartState:
    """What one part decoder needs to know about B styles."""

    linear1: tuple[MixedLinear, ...]
    """Mixed feed-forward weights, one per layer."""
    target: Tensor
    """(B, W, C): the first layer's target behind its self-attention, which no phone has reached yet."""
    rest: Tensor
    """(B, outputs): the style's own expression, added to what the phones ask for; zero in the paper's network."""

    @staticmethod
    def join(states: "Sequence[PartState]") -> "PartState":
        """Joins the states of several sessions into one batch; on a CPU the weights are referenced, not copied."""
        target = torch.cat([state.target for state in states])
        layers = []
        for mixed in zip(*(state.linear1 for state in states), strict=True):
            groups = tuple(group for linear in mixed for group in linear.groups)
            plain = [group for group in groups if not isinstance(group, PackedLinear)]
            if target.is_cuda:
                groups = ((torch.cat([weight for weight, _ in plain]), torch.cat([bias for _, bias in plain])),)
            layers.append(MixedLinear(groups))
        return PartState(tuple(layers), target, torch.cat([state.rest for state in states]))


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
        self.packed = False
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
        """Prepares everything that depends on style (B, C) alone."""
        style = style.to(self.positions.dtype)
        target = style[:, None, :] + self.positions
        layers = cast("list[DecoderLayer]", list(self.layers))
        linear1 = tuple(self._mixed(layer.linear1, style) for layer in layers)
        rest = style.new_zeros(len(style), self.outputs) if self.rest is None else self.rest(style)
        return PartState(linear1, layers[0].attend_target(target, target), rest)

    def pack(self) -> None:
        """Packs all weights for decoding on a CPU; see `packed`."""
        self.packed = True
        for layer in cast("list[DecoderLayer]", list(self.layers)):
            layer.self_attn.pack()
            layer.multihead_attn.pack()
            pack_linears(layer)
        pack_linears(self.tail)

    def _mixed(self, linear1: AdaptiveLinear, style: Tensor) -> MixedLinear:
        weight, bias = linear1.mix(style)
        if self.packed:
            return MixedLinear(tuple(PackedLinear(*one) for one in zip(weight, bias, strict=True)))
        return MixedLinear(((weight, bias),))

    def forward(self, content: Tensor, state: PartState) -> Tensor:
        """Decodes content (S, N, W, C), N frames for each of S styles, into (S, N, outputs)."""
        styles, frames, window, width = content.shape
        centre = slice(window // 2, window // 2 + 1)
        memory = content.reshape(-1, window, width)
        x = state.target[:, None].expand(styles, frames, window, width).reshape(-1, window, width)
        layers = cast("list[DecoderLayer]", list(self.layers))
        for index, (layer, linear1) in enumerate(zip(layers, state.linear1, strict=True)):
            query = x[:, centre] if index == len(layers) - 1 else x
            if index > 0:
                query = layer.attend_target(query, x)
            x = layer.attend_content(query, memory, linear1)
        moved: Tensor = self.tail(self.norm(x[:, 0])).unflatten(0, (styles, frames))
        return moved + state.rest[:, None]
