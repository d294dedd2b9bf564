"""Each discriminator learns to tell its examples apart."""

import pytest
import torch
from torch.nn import functional as F

from styletalk_core.lab.training.discriminators import (
    SYNC_FRAMES,
    StyleDiscriminator,
    SyncDiscriminator,
    TemporalDiscriminator,
)
from styletalk_core.phones import PHONES


def learn(network: torch.nn.Module, loss, steps: int) -> float:
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
    return float(value.detach())


def test_lips_that_match_their_phones_are_distinguished_from_those_that_do_not() -> None:
    torch.manual_seed(0)
    spoken = torch.randint(0, 3, (64, SYNC_FRAMES))
    phones = F.one_hot(spoken, len(PHONES)).float()
    points = 0.05 * spoken[:, :, None, None] * torch.randn(1, 1, 20, 3)
    network = SyncDiscriminator()
    assert ((network(points, phones) >= 0) & (network(points, phones) <= 1)).all(), "a probability (equation 4)"

    def loss() -> torch.Tensor:
        fits, misfits = network(points, phones), network(points, phones.roll(1, 0))
        return -(fits.clamp(min=1e-4).log() + (1 - misfits).clamp(min=1e-4).log()).mean()

    learn(network, loss, 60)
    assert network(points, phones).mean() > network(points, phones.roll(1, 0)).mean() + 0.2


def test_the_order_of_lip_points_does_not_matter() -> None:
    network, points = SyncDiscriminator(), torch.randn(2, SYNC_FRAMES, 20, 3)
    phones = torch.rand(2, SYNC_FRAMES, len(PHONES))
    torch.testing.assert_close(network(points, phones), network(points.flip(2), phones))


def test_styles_are_distinguished() -> None:
    torch.manual_seed(0)
    motion = torch.randn(12, 30, 64) + 0.5 * torch.arange(3).repeat(4)[:, None, None]
    network, label = StyleDiscriminator(3), torch.arange(3).repeat(4)
    assert network(motion).shape == (12, 3)
    assert learn(network, lambda: F.cross_entropy(network(motion), label), 60) < 0.3


@pytest.mark.parametrize("frames", [30, 64])
def test_jitter_is_distinguished_from_motion(frames: int) -> None:
    torch.manual_seed(0)
    smooth = torch.sin(torch.arange(frames)[None, :, None] / 4 + torch.rand(8, 1, 64))
    shaky = smooth + 0.3 * torch.randn_like(smooth)
    network = TemporalDiscriminator()
    assert network(smooth).shape == (8, frames // 4), "one score per patch"
    learn(network, lambda: F.relu(1 - network(smooth)).mean() + F.relu(1 + network(shaky)).mean(), 60)
    assert network(smooth).mean() > network(shaky).mean() + 1
