"""The three discriminators of the objective (section 3.4), on coefficient or lip sequences at 30 fps.

Runs on: any torch device; pure.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from styletalk_core.phones import PHONES

SYNC_FRAMES: Final = 5
"""Window length of the lip-sync discriminator."""
_EMBEDDING: Final = 64


class SyncDiscriminator(nn.Module):
    """Lip-sync discriminator: a PointNet over lip points, probability from the cosine similarity (eq. 4-5)."""

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 64), nn.ReLU())
        self.lips = nn.Sequential(nn.Linear(SYNC_FRAMES * 64, 128), nn.ReLU(), nn.Linear(128, _EMBEDDING))
        self.phones = nn.Sequential(nn.Linear(SYNC_FRAMES * len(PHONES), 128), nn.ReLU(), nn.Linear(128, _EMBEDDING))

    def forward(self, points: Tensor, phones: Tensor) -> Tensor:
        """Probability (B,) that points (B, 5, P, 3) match phones (B, 5, 41)."""
        # Points are in inter-ocular distances; lips move by hundredths of that.
        seen = self.lips(self.point(20 * points).amax(dim=2).flatten(1))
        heard = self.phones(phones.flatten(1))
        return (1 + F.cosine_similarity(seen, heard)) / 2


class StyleDiscriminator(nn.Module):
    """Classifies a motion (B, N, 64) into the known styles (eq. 6)."""

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(64, 64, 5, stride=2), nn.LeakyReLU(0.2), nn.Conv1d(64, 96, 5, stride=2), nn.LeakyReLU(0.2)
        )
        self.head = nn.Linear(96, styles)

    def forward(self, motion: Tensor) -> Tensor:
        """Logits (B, styles)."""
        return self.head(self.net(motion.mT).mean(dim=-1))  # type: ignore[no-any-return]


class TemporalDiscriminator(nn.Module):
    """PatchGAN over time: one realness score per overlapping patch of about half a second."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(128, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv1d(64, 96, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv1d(96, 1, 3, padding=1),
        )

    def forward(self, motion: Tensor) -> Tensor:
        """Realness (B, patches) of motion (B, N, 64); its velocity is an additional input."""
        velocity = F.pad(motion[:, 1:] - motion[:, :-1], (0, 0, 1, 0))
        return self.net(torch.cat([motion, 4 * velocity], dim=-1).mT)[:, 0]  # type: ignore[no-any-return]
