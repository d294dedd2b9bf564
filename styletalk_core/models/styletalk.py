"""StyleTalk network: phones and style code to expression coefficients (section 3).

Contains the three networks and the cached style state.

Deviation: if the style code contains the mean and standard deviation of the clip, the decoder output is relative to
them, see `in_style`, so that people outside the training set keep their own mouth shape and range of motion. The
official networks do not have this; `test_styletalk.py` proves that there is no other difference.

Runs on: any torch device; pure. Bad input raises `InputError`, a `ValueError` that carries the value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from styletalk_core.errors import InputError
from styletalk_core.models.compiled.lip_range import log_gains
from styletalk_core.models.compiled.numpy_style_encoder import style_windows
from styletalk_core.models.content_encoder import ContentEncoder
from styletalk_core.models.dimensions import LIP_SIGNALS, OPENING, PRESSED, Dimensions
from styletalk_core.models.dynamic_decoder import PartDecoder, PartState
from styletalk_core.models.phone_windows import check_phones
from styletalk_core.models.style_encoder import StyleEncoder
from styletalk_core.phones import WINDOW


@dataclass(frozen=True, slots=True)
class StyleState:
    """Decoder state for B styles: their codes and everything derived from them."""

    code: Tensor
    """(B, C)"""
    upper: PartState
    lower: PartState
    mean: Tensor
    """(B, 64): mean of the style clip if the code contains it, else zero."""
    std: Tensor
    """(B, 64): deviation of the style clip if the code contains it, else one."""
    widening: Tensor
    """(B, 13, 13) added to the lower face, see `lip_range`; zero if the network is not calibrated."""

    @staticmethod
    def join(states: "Sequence[StyleState]") -> "StyleState":
        """Concatenates the states of several sessions into a batch."""
        if len(states) == 1:
            return states[0]
        return StyleState(
            torch.cat([state.code for state in states]),
            PartState.join([state.upper for state in states]),
            PartState.join([state.lower for state in states]),
            torch.cat([state.mean for state in states]),
            torch.cat([state.std for state in states]),
            torch.cat([state.widening for state in states]),
        )


class StyleTalk(nn.Module):
    """Content encoder, style encoder and the two part decoders."""

    order: Tensor
    lip_spread: Tensor
    """(13, 13), if calibrated: see `lip_range`."""
    lip_articulators: Tensor
    """(13, 6), if calibrated."""
    lip_back: Tensor
    """(13, 6), if calibrated."""

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
        if d.calibrated:
            self.register_buffer("lip_spread", torch.eye(len(d.lower)))
            self.register_buffer("lip_articulators", torch.zeros(len(d.lower), LIP_SIGNALS))
            self.register_buffer("lip_back", torch.zeros(len(d.lower), LIP_SIGNALS))

    @property
    def code_width(self) -> int:
        """Width C of a style code."""
        return self.dimensions.code_width

    def mix_style(self, code: Tensor) -> StyleState:
        """Computes the state of style codes (B, C); called once per style change."""
        if not torch.isfinite(code).all():
            raise InputError("the style code contains values that are not finite")
        d = self.dimensions
        learnt = code[:, : d.width]
        mean, std = code.new_zeros(len(code), d.coefficients), code.new_ones(len(code), d.coefficients)
        if d.statistics:
            mean, deviation = code[:, d.width : d.width + 2 * d.coefficients].chunk(2, dim=1)
            std = deviation.exp()
        return StyleState(code, self.upper.mix(learnt), self.lower.mix(learnt), mean, std, self._widening(code, std))

    def _widening(self, code: Tensor, std: Tensor) -> Tensor:
        """`lip_range.widening` of codes (B, C) with deviations (B, 64)."""
        lower = list(self.dimensions.lower)
        if not self.dimensions.calibrated:
            return code.new_zeros(len(code), len(lower), len(lower))
        gains, deviation = code[:, -LIP_SIGNALS:].expm1(), std[:, lower]
        more = torch.einsum("ka,ba,la->bkl", self.lip_back, gains, self.lip_articulators)
        return more * deviation[:, None, :] / deviation[:, :, None]

    def decode(self, phones: Tensor, state: StyleState) -> Tensor:
        """Decodes the centre frame of each phone window.

        Args:
            phones: (B, 11) int64 ids or (B, 11, 41) float probability columns, 30 fps; with N frames for each style
                (B, N, 11) or (B, N, 11, 41).
            state: B styles; row i decodes phones[i].

        Returns:
            (B, 64), or (B, N, 64), expression coefficients.

        Raises:
            InputError: an id outside 0..40, a non-finite probability, or mismatched shapes.
        """
        check_phones(phones.numpy(force=True))
        frame_axis = 3 if phones.is_floating_point() else 2
        windows = phones[:, None] if phones.dim() == frame_axis else phones
        if len(windows) != len(state.code):
            raise InputError(f"{len(windows)} rows of phones do not match {len(state.code)} styles")
        coefficients = self.express(windows, state)
        return coefficients[:, 0] if phones.dim() == frame_axis else coefficients

    def express(self, windows: Tensor, state: StyleState) -> Tensor:
        """Like `decode`, for validated windows (B, N, 11) or (B, N, 11, 41): (B, N, 64)."""
        content = self.content_encoder(windows)
        lower = self.lower(content, state.lower)
        if self.dimensions.calibrated:
            lower = lower + lower @ state.widening.mT.to(lower.dtype)
        coefficients = torch.cat([self.upper(content, state.upper), lower], dim=-1)
        coefficients = coefficients[..., self.order].float()
        if self.dimensions.statistics:
            coefficients = in_style(coefficients, state.mean[:, None], state.std[:, None])
        return coefficients

    @torch.inference_mode()
    def encode_style(self, clip: Tensor) -> Tensor:
        """Encodes one style clip (L, 64) of any length of at least one second, 30 fps, into its code (C,).

        A clip longer than 256 frames is cut into evenly spaced windows of 256 frames, whose codes are averaged.

        Raises:
            InputError: the clip is shorter than one second, has another width, or contains values that are not finite.
        """
        windows = torch.from_numpy(style_windows(clip.numpy(force=True), self.dimensions))
        code: Tensor = self.style_encoder(windows.to(self.order.device)).mean(dim=0)
        if not self.dimensions.calibrated:
            return code
        spread, articulators = (part.float().numpy(force=True) for part in (self.lip_spread, self.lip_articulators))
        plain, motion = (part.numpy(force=True) for part in (code, clip))
        gains = log_gains(plain, motion, spread, articulators, self.dimensions)
        return torch.cat([code, torch.from_numpy(gains).to(code)])


def in_style(moved: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Moves a face by ``moved`` (…, 64) standard deviations ``std`` from the ``mean`` of its style: (…, 64).

    Deviation from that scale: nearly closed lips are fully closed one standard deviation further on, for any speaker.
    """
    coefficients = mean + std * moved
    opening_mean, opening_std, opening = mean[..., OPENING], std[..., OPENING], moved[..., OPENING]
    nearly = torch.maximum(opening_mean - opening_std, opening_std / 4)
    beyond = opening - (nearly - opening_mean) / opening_std
    closing = nearly * torch.where(beyond > -1, 1 + beyond, PRESSED * (1 + beyond))
    lips = torch.where(beyond > 0, coefficients[..., OPENING], closing)
    return torch.cat([lips[..., None], coefficients[..., OPENING + 1 :]], dim=-1)
