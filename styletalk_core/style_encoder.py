"""Style encoder E_s: a clip of expression coefficients becomes one style code (section 3.2, equation 1).

Runs on: any torch device; pure. In: up to 256 frames of 64 coefficients at 30 fps with a padding mask; out: (B, C).
"""

import torch
from torch import Tensor, nn

from styletalk_core.transformer import EncoderLayer, sinusoid_positions


class StyleEncoder(nn.Module):
    """Transformer over the frames of a style clip, pooled by self-attention over time."""

    positions: Tensor

    def __init__(self, width: int, heads: int, feed_forward: int, layers: int, coefficients: int, frames: int) -> None:
        super().__init__()
        self.project = nn.Linear(coefficients, width)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, feed_forward) for _ in range(layers))
        self.pooling = nn.Sequential(nn.Linear(width, width), nn.Mish(), nn.Linear(width, 1))
        self.register_buffer("positions", sinusoid_positions(frames, width), persistent=False)

    def forward(self, clip: Tensor, pad: Tensor | None = None) -> Tensor:
        """Encodes clip (B, L, 64) float into (B, C); pad (B, L) bool is true behind the end of a shorter clip."""
        x = self.project(clip) + self.positions[: clip.shape[1]]
        for layer in self.layers:
            x = layer(x, pad)
        score = self.pooling(x)
        if pad is not None:
            score = score.masked_fill(pad[..., None], -torch.inf)
        code: Tensor = (x * score.softmax(dim=1)).sum(dim=1)
        return code
