"""Post-norm transformer blocks shared by the content encoder, the style encoder and the decoder (section 3.1-3.3).

Owns attention with separately callable projections, the encoder layer and the sinusoid position table.

Runs on: any torch device; pure. Everything is batch first: (B, T, C) in, (B, T, C) out.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def sinusoid_positions(length: int, width: int) -> Tensor:
    """Sinusoidal position table, (length, width) float32; even columns are sines, odd columns cosines."""
    exponent = 2 * (torch.arange(width, dtype=torch.float64) // 2) / width
    angle = torch.arange(length, dtype=torch.float64)[:, None] / 10000.0**exponent
    return torch.where(torch.arange(width) % 2 == 0, angle.sin(), angle.cos()).float()


class Attention(nn.Module):
    """Multi-head attention whose query may be shorter than its memory; parameters as in `nn.MultiheadAttention`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, memory: Tensor, pad: Tensor | None = None) -> Tensor:
        """Attends from query (B, Q, C) to memory (B, T, C); pad (B, T) bool is true where memory is padding."""
        if query is memory:
            q, k, v = self._project(query, 0, 3).chunk(3, dim=-1)
        else:
            q = self.project_query(query)
            k, v = self.project_key_value(memory)
        return self.attend(q, k, v, pad)

    def project_query(self, query: Tensor) -> Tensor:
        """Projects (B, Q, C) to queries for `attend`."""
        return self._project(query, 0, 1)

    def project_key_value(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Projects (B, T, C) to keys and values for `attend`."""
        k, v = self._project(memory, 1, 3).chunk(2, dim=-1)
        return k, v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, pad: Tensor | None = None) -> Tensor:
        """Attends with projected queries (B, Q, C) to projected keys and values (B, T, C)."""
        q, k, v = self._split(q), self._split(k), self._split(v)
        if torch.is_grad_enabled():
            # Windows of 11 are too short for the fused kernel: two plain products are three times as fast to train.
            score = q @ k.mT * (q.shape[-1] ** -0.5)
            if pad is not None:
                score = score.masked_fill(pad[:, None, None, :], -torch.inf)
            mixed = score.softmax(dim=-1) @ v
        else:
            mask = None if pad is None else ~pad[:, None, None, :]
            mixed = F.scaled_dot_product_attention(q, k, v, mask)
        attended: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return attended

    def _project(self, x: Tensor, first: int, last: int) -> Tensor:
        """Projects x (B, T, C) to parts first..last of query, key and value."""
        width = x.shape[-1]
        rows = slice(first * width, last * width)
        return F.linear(x, self.in_proj_weight[rows], self.in_proj_bias[rows])

    def _split(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        return x.reshape(batch, length, self.heads, -1).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each followed by its residual sum and layer norm."""

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.linear1 = nn.Linear(width, feed_forward)
        self.linear2 = nn.Linear(feed_forward, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        for linear in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, x: Tensor, pad: Tensor | None = None) -> Tensor:
        """Transforms x (B, T, C); pad (B, T) bool is true where x is padding."""
        x = self.norm1(x + self.self_attn(x, x, pad))
        hidden = F.relu(self.linear1(x))
        normalised: Tensor = self.norm2(x + self.linear2(hidden))
        return normalised
