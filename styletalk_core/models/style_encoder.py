"""Style encoder E_s: clip of expression coefficients to one style code (section 3.2, equation 1).

Deviation: with ``statistics``, the mean and log standard deviation of every coefficient of the clip are appended to the
code, so that people outside the training set keep their own mouth shape; `test_styletalk.py` proves it.

Runs on: any torch device; pure. In: up to 256 frames of 64 coefficients at 30 fps with a padding mask; out: (B, C).
"""

import torch
from torch import Tensor, nn

from styletalk_core.models.compiled.numpy_style_encoder import MIN_DEVIATION
from styletalk_core.models.transformer import EncoderLayer, sinusoid_positions


class StyleEncoder(nn.Module):
    """Transformer over the frames of a style clip, pooled by self-attention over time."""

    positions: Tensor

    def __init__(
        self,
        width: int,
        heads: int,
        feed_forward: int,
        layers: int,
        coefficients: int,
        frames: int,
        statistics: bool = False,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(coefficients, width)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, feed_forward) for _ in range(layers))
        self.pooling = nn.Sequential(nn.Linear(width, width), nn.Mish(), nn.Linear(width, 1))
        self.statistics = nn.Linear(2 * coefficients, width) if statistics else None
        self.register_buffer("positions", sinusoid_positions(frames, width), persistent=False)

    def forward(self, clip: Tensor, pad: Tensor | None = None) -> Tensor:
        """Encodes clip (B, L, 64) float into (B, C), with statistics (B, C + 128).

        pad (B, L) bool is true behind the end of a shorter clip.
        """
        x = self.project(clip) + self.positions[: clip.shape[1]]
        for layer in self.layers:
            x = layer(x, pad)
        score = self.pooling(x)
        if pad is not None:
            score = score.masked_fill(pad[..., None], -torch.inf)
        code: Tensor = (x * score.softmax(dim=1)).sum(dim=1)
        if self.statistics is None:
            return code
        known = clip_statistics(clip.float(), pad)
        return torch.cat([code + self.statistics(known), known], dim=1)


def clip_statistics(clip: Tensor, pad: Tensor | None = None) -> Tensor:
    """Mean and log standard deviation over time of clip (B, L, C): (B, 2 C)."""
    present = clip.new_ones(clip.shape[:2]) if pad is None else (~pad).to(clip.dtype)
    share = (present / present.sum(dim=1, keepdim=True))[..., None]
    mean = (clip * share).sum(dim=1)
    variance = ((clip - mean[:, None]).square() * share).sum(dim=1)
    return torch.cat([mean, (variance.sqrt() + MIN_DEVIATION).log()], dim=1)
