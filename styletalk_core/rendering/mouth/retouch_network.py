"""Retouching network: learned from video, models changes of the lips and surrounding skin beyond the warped mesh.

It maps the photographed mouth once to basis fields; a perceptron maps every expression to their weights. A frame costs
two small matrix products, and the fields vanish at the photo's own expression. They are smooth displacements of the
sampling positions and gains of the brightness, so they cannot blur the photo.
Trained by `styletalk train mouth`; portraits use its arrays (`retouch_weights`), applied per frame by `retouch`.
"""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from styletalk_core.rendering.retouch_weights import (
    FORMAT,
    GAIN,
    MAX_DISPLACEMENT,
    POINTS,
    SLOPE,
    RetouchDimensions,
    RetouchWeights,
)


class RetouchNetwork(nn.Module):
    """Maps a portrait to basis fields and an expression to their weights.

    `reach` is the norm that weight vectors rarely exceed in training.
    """

    fade: Tensor
    reach: Tensor

    def __init__(self, dimensions: RetouchDimensions | None = None) -> None:
        super().__init__()
        d = dimensions or RetouchDimensions()
        self.dimensions = d
        first, second, third = d.channels
        flat = 2 * len(POINTS)
        self.down_1 = nn.Conv2d(3, first, 5, stride=2, padding=2)
        self.down_2 = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.down_3 = nn.Conv2d(second, third, 3, stride=2, padding=1)
        self.person = nn.Linear(2 * flat, third)
        self.middle = nn.Conv2d(third, third, 3, padding=1)
        self.up = nn.Conv2d(third + second, second, 3, padding=1)
        self.skin = nn.Conv2d(second, 5 * d.bases, 3, padding=1)
        self.motion = nn.Linear(flat + 3, d.hidden)
        self.motion_person = nn.Linear(2 * flat, d.hidden, bias=False)
        self.motion_hidden = nn.Linear(d.hidden, d.hidden)
        self.weights = nn.Linear(d.hidden, d.bases, bias=False)
        self.register_buffer("reach", torch.tensor(1e4))
        self.register_buffer("fade", torch.from_numpy(d.fade()), persistent=False)

    def bases(self, mouth: Tensor, person: Tensor) -> Tensor:
        """Computes basis fields of mouths (R, 3, 64, 64), 0..1, of people (R, P), see `retouch.person_features`.

        Returns:
            (R, K, 5, G, G) basis fields: displacement x, y in half sides of the crop, logarithms of R, G, B gains.
        """
        wide = F.leaky_relu(self.down_1(mouth - 0.5), SLOPE)
        half = F.leaky_relu(self.down_2(wide), SLOPE)
        deep = F.leaky_relu(self.down_3(half), SLOPE)
        deep = F.leaky_relu(self.middle(deep + F.leaky_relu(self.person(person), SLOPE)[..., None, None]), SLOPE)
        both = torch.cat([F.interpolate(deep, scale_factor=2.0, mode="bilinear"), half], dim=1)
        d = self.dimensions
        fields: Tensor = self.skin(F.leaky_relu(self.up(both), SLOPE)).view(-1, d.bases, 5, d.grid, d.grid)
        return fields * self.fade

    def weigh(self, motion: Tensor, person: Tensor) -> Tensor:
        """Weights (B, K) of the basis fields for motion (B, M), see `retouch.motion_features`, of people (B, P)."""
        hidden = torch.tanh(self.motion(motion) + self.motion_person(person))
        weights: Tensor = self.weights(torch.tanh(self.motion_hidden(hidden)))
        return weights

    def fields(self, bases: Tensor, motion: Tensor, own: Tensor, person: Tensor) -> Tensor:
        """Fields (B, 5, G, G) of motion (B, M) for ``bases`` of the same people; zero for their ``own`` motion."""
        weights = self.weigh(motion, person) - self.weigh(own, person)
        weights = weights / (1 + weights.square().sum(dim=1, keepdim=True) / self.reach**2).sqrt()
        fields = torch.tanh(torch.einsum("bk,bkcij->bcij", weights, bases))
        return fields * fields.new_tensor([MAX_DISPLACEMENT, MAX_DISPLACEMENT, GAIN, GAIN, GAIN])[:, None, None]


def weights_of(network: RetouchNetwork) -> RetouchWeights:
    """Converts a network to arrays for portraits."""
    return RetouchWeights(network.dimensions, {k: v.detach().float().numpy() for k, v in network.state_dict().items()})


def save(network: RetouchNetwork, card: dict[str, object], path: Path) -> None:
    """Saves a network in half precision, in the format of `retouch_weights.load`."""
    tensors = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    header = {"format": FORMAT, "dimensions": json.dumps(asdict(network.dimensions)), "card": json.dumps(card)}
    save_file(tensors, path, metadata=header)
