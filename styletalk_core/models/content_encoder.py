"""Content encoder E_a: window of phones to window of content features (section 3.1).

Runs on: any torch device; pure. Input: phone ids or probability columns at 30 fps; output: (…, 11, C) features.
A probability column is embedded as the expected phone embedding, so that a one-hot column is equivalent to its id.
"""

from torch import Tensor, nn

from styletalk_core.models.transformer import EncoderLayer, sinusoid_positions
from styletalk_core.phones import PHONES


class ContentEncoder(nn.Module):
    """Embeds the phones of a window and mixes them by self-attention."""

    positions: Tensor

    def __init__(self, width: int, heads: int, feed_forward: int, layers: int, embedding: int, window: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(PHONES), embedding)
        self.project = nn.Linear(embedding, width)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, feed_forward) for _ in range(layers))
        self.register_buffer("positions", sinusoid_positions(window, width), persistent=False)

    def forward(self, phones: Tensor) -> Tensor:
        """Encodes (…, W) int64 phone ids or (…, W, 41) float probabilities into (…, W, C) float."""
        embedded = phones @ self.table() if phones.is_floating_point() else self.project(self.embedding(phones))
        *leading, window, width = embedded.shape
        x = embedded.reshape(-1, window, width) + self.positions
        for layer in self.layers:
            x = layer(x)
        return x.reshape(*leading, window, width)

    def table(self) -> Tensor:
        """Projected embedding of every phone, (41, C); both maps are linear, so an expectation is a single product."""
        table: Tensor = self.project(self.embedding.weight)
        return table
