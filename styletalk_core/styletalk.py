"""StyleTalk: phones and a style code become expression coefficients (section 3).

Owns the three networks, their dimensions, the cached style and the arithmetic of style codes (cross-fade, intensity).

Deviation: where the style code ends in the clip's mean and deviation, the decoders say how far the face goes from that
mean in units of that deviation, see `in_style`: people never trained on keep their own mouth and their own range. The
official networks have none of it; `tests/unit/test_styletalk.py` shows that it is all that differs.

Runs on: any torch device; pure. Bad input raises `InputError`, a `ValueError` that carries the value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from styletalk_core.content_encoder import ContentEncoder
from styletalk_core.dynamic_decoder import PartDecoder, PartState
from styletalk_core.errors import InputError
from styletalk_core.phones import FPS, PHONES, WINDOW
from styletalk_core.style_encoder import StyleEncoder

OPENING: Final = 0
"""The coefficient of `mesh64` that opens the lips, from 0 for closed; no other does so by a tenth as much."""
_PRESSED: Final = 0.05
"""How much closed lips give when they are told to close further."""
MESH64_LOWER: Final = tuple(range(13))
"""Lower-face coefficients of this project's face model."""
BFM64_LOWER: Final = (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14)
"""Lower-face coefficients of the official checkpoints, in the Basel model."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of a StyleTalk network, stored in its checkpoint; the defaults are the paper's."""

    width: int = 256
    heads: int = 8
    feed_forward: int = 1024
    layers: int = 3
    phone_embedding: int = 128
    experts: int = 8
    ratio: int = 4
    temperature: float = 30.0
    coefficients: int = 64
    style_frames: int = 256
    own_rest: bool = False
    statistics: bool = False
    lower: tuple[int, ...] = MESH64_LOWER

    @property
    def upper(self) -> tuple[int, ...]:
        """Coefficients of the upper face: all that are not `lower`."""
        return tuple(index for index in range(self.coefficients) if index not in self.lower)


@dataclass(frozen=True, slots=True)
class StyleState:
    """B styles, ready to decode with: their codes and what the decoders derive from them."""

    code: Tensor
    """(B, C)"""
    upper: PartState
    lower: PartState
    rest: Tensor
    """(B, 64): mean of the style clip where the code tells it, else zero."""
    reach: Tensor
    """(B, 64): deviation of the style clip where the code tells it, else one."""

    @staticmethod
    def join(states: "Sequence[StyleState]") -> "StyleState":
        """Joins the states of several sessions into the state of their batch, in the same order."""
        if len(states) == 1:
            return states[0]
        return StyleState(
            torch.cat([state.code for state in states]),
            PartState.join([state.upper for state in states]),
            PartState.join([state.lower for state in states]),
            torch.cat([state.rest for state in states]),
            torch.cat([state.reach for state in states]),
        )


class StyleTalk(nn.Module):
    """Content encoder, style encoder and the two part decoders."""

    order: Tensor

    def __init__(self, dimensions: Dimensions | None = None) -> None:
        super().__init__()
        d = dimensions or Dimensions()
        self.dimensions = d
        common = (d.width, d.heads, d.feed_forward, d.layers)
        self.content_encoder = ContentEncoder(*common, d.phone_embedding, WINDOW)
        self.style_encoder = StyleEncoder(*common, d.coefficients, d.style_frames, d.statistics)
        adaptive = (d.experts, d.ratio, d.temperature, WINDOW)
        self.upper = PartDecoder(*common, *adaptive, len(d.upper), d.own_rest)
        self.lower = PartDecoder(*common, *adaptive, len(d.lower), d.own_rest)
        self.register_buffer("order", torch.tensor(d.upper + d.lower).argsort(), persistent=False)

    @property
    def code_width(self) -> int:
        """Width C of a style code."""
        return self.dimensions.width + 2 * self.dimensions.coefficients * self.dimensions.statistics

    def mix_style(self, code: Tensor) -> StyleState:
        """Derives the state of style codes (B, C); once per style change."""
        if not torch.isfinite(code).all():
            raise InputError("the style code holds values that are not finite")
        d = self.dimensions
        learnt = code[:, : d.width]
        rest, reach = code.new_zeros(len(code), d.coefficients), code.new_ones(len(code), d.coefficients)
        if d.statistics:
            mean, deviation = code[:, d.width :].chunk(2, dim=1)
            rest, reach = mean, deviation.exp()
        return StyleState(code, self.upper.mix(learnt), self.lower.mix(learnt), rest, reach)

    def decode(self, phones: Tensor, state: StyleState) -> Tensor:
        """Decodes the centre frame of each phone window.

        Args:
            phones: (B, 11) int64 ids or (B, 11, 41) float probability columns, 30 fps; with N frames for each style
                (B, N, 11) or (B, N, 11, 41).
            state: of B styles; row i decodes phones[i].

        Returns:
            (B, 64), or (B, N, 64), expression coefficients.

        Raises:
            InputError: an id outside 0..40, a probability that is not finite, or shapes that do not fit.
        """
        check_phones(phones)
        frame_axis = 3 if phones.is_floating_point() else 2
        windows = phones[:, None] if phones.dim() == frame_axis else phones
        if len(windows) != len(state.code):
            raise InputError(f"{len(windows)} rows of phones do not fit {len(state.code)} styles")
        coefficients = self.express(windows, state)
        return coefficients[:, 0] if phones.dim() == frame_axis else coefficients

    def express(self, windows: Tensor, state: StyleState) -> Tensor:
        """`decode` of (B, N, 11) or (B, N, 11, 41) that were checked before: (B, N, 64)."""
        content = self.content_encoder(windows)
        coefficients = torch.cat([self.upper(content, state.upper), self.lower(content, state.lower)], dim=-1)
        coefficients = coefficients[..., self.order].float()
        if self.dimensions.statistics:
            coefficients = in_style(coefficients, state.rest[:, None], state.reach[:, None])
        return coefficients

    @torch.inference_mode()
    def encode_style(self, clip: Tensor) -> Tensor:
        """Encodes one style clip (L, 64) of any length of at least one second, 30 fps, into its code (C,).

        A clip longer than 256 frames is cut into evenly spread windows of 256 whose codes are averaged.

        Raises:
            InputError: the clip is shorter than one second, has another width, or holds values that are not finite.
        """
        if clip.dim() != 2 or clip.shape[1] != self.dimensions.coefficients:
            raise InputError(f"a style clip has shape (L, {self.dimensions.coefficients}), not {tuple(clip.shape)}")
        if len(clip) < FPS:
            raise InputError(f"a style clip needs at least {FPS} frames (one second), not {len(clip)}")
        if not torch.isfinite(clip).all():
            raise InputError("the style clip holds coefficients that are not finite")
        length = min(len(clip), self.dimensions.style_frames)
        count = -(-len(clip) // length)
        starts = torch.linspace(0, len(clip) - length, count).round().long()
        windows = torch.stack([clip[start : start + length] for start in starts.tolist()])
        code: Tensor = self.style_encoder(windows.to(self.order.device, torch.float32)).mean(dim=0)
        return code


def in_style(moved: Tensor, rest: Tensor, reach: Tensor) -> Tensor:
    """Moves a face by ``moved`` (…, 64) deviations ``reach`` from the mean ``rest`` of its style, (…, 64).

    The lips leave that scale where they are nearly closed, and are shut one deviation further on, whoever speaks.
    """
    coefficients = rest + reach * moved
    mean, deviation, opening = rest[..., OPENING], reach[..., OPENING], moved[..., OPENING]
    nearly = torch.maximum(mean - deviation, deviation / 4)
    beyond = opening - (nearly - mean) / deviation
    closing = nearly * torch.where(beyond > -1, 1 + beyond, _PRESSED * (1 + beyond))
    lips = torch.where(beyond > 0, coefficients[..., OPENING], closing)
    return torch.cat([lips[..., None], coefficients[..., OPENING + 1 :]], dim=-1)


def check_phones(phones: Tensor) -> None:
    """Raises InputError unless phones are windows of ids 0..40 or of 41 finite probabilities."""
    if phones.is_floating_point():
        if phones.shape[-2:] != (WINDOW, len(PHONES)):
            raise InputError(f"phone windows end in ({WINDOW}, {len(PHONES)}), not in {tuple(phones.shape[-2:])}")
        if not torch.isfinite(phones).all():
            raise InputError("the phone probabilities hold values that are not finite")
        return
    if phones.shape[-1:] != (WINDOW,):
        raise InputError(f"phone windows have {WINDOW} columns, not {tuple(phones.shape[-1:])}")
    smallest, largest = (int(value) for value in phones.aminmax()) if phones.numel() else (0, 0)
    if smallest < 0 or largest >= len(PHONES):
        wrong = smallest if smallest < 0 else largest
        raise InputError(f"phone id {wrong} lies outside 0..{len(PHONES) - 1}")


def fade(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Cross-fades two style codes (…, C): share 0 is the start, 1 the end."""
    return torch.lerp(start, end, share)


def intensify(code: Tensor, neutral: Tensor, intensity: float) -> Tensor:
    """Scales a style code (…, C) as seen from the neutral one: 0 is neutral, 1 the style, above 1 exaggerates it."""
    return torch.lerp(neutral, code, intensity)
