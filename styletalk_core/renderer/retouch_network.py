"""What video has taught about mouths: how lips and the skin around them change beyond what the warped mesh shows.

A small network looks once at the photographed mouth and answers with basis fields; a perceptron turns every expression
into their weights. A frame costs two small matrix products, and the fields vanish at the photo's own expression. They
are smooth: they displace where the photo is sampled and lighten or darken it, and so can blur nothing.
Trained by `styletalk train mouth`. Runs on: any thread, at enrolment only; the frame's share is in `retouch`.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from styletalk_core.checkpoint import fill
from styletalk_core.errors import CheckpointError
from styletalk_core.landmarks import LIPS
from styletalk_core.weights import FOLDER

FORMAT: Final = "styletalk-live/mouth-1"
CROP: Final = 64
"""Side of the picture of the mouth that the network sees, px."""
# fmt: off
POINTS: Final = tuple(sorted({
    *LIPS,
    152, 175, 199, 200, 148, 377, 171, 396, 18, 83, 313, 43, 273, 202, 422, 204, 424, 194, 418,  # chin
    1, 2, 164, 50, 280, 205, 425, 36, 266, 203, 423, 206, 426, 92, 322,  # nose and cheeks
    216, 436, 212, 432, 214, 434, 57, 287,  # beside the mouth
}))
# fmt: on
"""Landmarks whose motion tells what the mouth does."""
FARTHEST: Final = 0.12
"""Greatest displacement, half sides of the crop."""
GAIN: Final = 0.8
"""Greatest logarithm of a gain."""
_SLOPE: Final = 0.1
_FADE: Final = 0.25
"""Share of the half side over which the fields fade towards the border of the crop."""


@dataclass(frozen=True, slots=True)
class RetouchDimensions:
    """Sizes, stored in the weight file."""

    bases: int = 16
    grid: int = 16
    hidden: int = 64
    channels: tuple[int, int, int] = (24, 40, 64)


class RetouchNetwork(nn.Module):
    """Portrait -> basis fields; expression -> their weights.

    `reach` is the length of a vector of weights that training seldom saw exceeded.
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
        ramp = ((1 - torch.linspace(-1, 1, d.grid).abs()) / _FADE).clamp(0, 1)
        ramp = ramp * ramp * (3 - 2 * ramp)
        self.register_buffer("fade", ramp[:, None] * ramp, persistent=False)

    def bases(self, mouth: Tensor, person: Tensor) -> Tensor:
        """Looks at photographed mouths (R, 3, 64, 64), 0..1, of people (R, P), see `retouch.person_features`.

        Returns:
            (R, K, 5, G, G) basis fields: displacement x, y in half sides of the crop, logarithms of R, G, B gains.
        """
        wide = F.leaky_relu(self.down_1(mouth - 0.5), _SLOPE)
        half = F.leaky_relu(self.down_2(wide), _SLOPE)
        deep = F.leaky_relu(self.down_3(half), _SLOPE)
        deep = F.leaky_relu(self.middle(deep + F.leaky_relu(self.person(person), _SLOPE)[..., None, None]), _SLOPE)
        both = torch.cat([F.interpolate(deep, scale_factor=2.0, mode="bilinear"), half], dim=1)
        d = self.dimensions
        fields = self.skin(F.leaky_relu(self.up(both), _SLOPE)).view(-1, d.bases, 5, d.grid, d.grid)
        return fields * self.fade  # type: ignore[no-any-return]

    def weigh(self, motion: Tensor, person: Tensor) -> Tensor:
        """Weights (B, K) of the basis fields for motion (B, M), see `retouch.motion_features`, of people (B, P)."""
        hidden = torch.tanh(self.motion(motion) + self.motion_person(person))
        return self.weights(torch.tanh(self.motion_hidden(hidden)))  # type: ignore[no-any-return]

    def fields(self, bases: Tensor, motion: Tensor, own: Tensor, person: Tensor) -> Tensor:
        """The fields (B, 5, G, G) of motion (B, M) for ``bases`` of the same people; zero where it is their ``own``."""
        weights = self.weigh(motion, person) - self.weigh(own, person)
        weights = weights / (1 + weights.square().sum(dim=1, keepdim=True) / self.reach**2).sqrt()
        fields = torch.tanh(torch.einsum("bk,bkcij->bcij", weights, bases))
        return fields * fields.new_tensor([FARTHEST, FARTHEST, GAIN, GAIN, GAIN])[:, None, None]


def save(network: RetouchNetwork, card: dict[str, object], path: Path) -> None:
    """Writes what `load` reads, in half precision."""
    tensors = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    header = {"format": FORMAT, "dimensions": json.dumps(asdict(network.dimensions)), "card": json.dumps(card)}
    save_file(tensors, path, metadata=header)


@cache
def load(path: Path = FOLDER / "mouth.safetensors") -> RetouchNetwork:
    """Reads the packaged network.

    Raises:
        CheckpointError: the file is damaged or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        stored = json.loads(header["dimensions"]) if header.get("format") == FORMAT else None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    if stored is None:
        raise CheckpointError(f"{path} is no weight file of the mouth: its format is {header.get('format')!r}")
    network = RetouchNetwork(RetouchDimensions(**{**stored, "channels": tuple(stored["channels"])}))
    fill(network, tensors, str(path))
    return network.eval()
