"""PIRenderer E_r: portrait and motion window to frame (section 3.4 of the paper; Ren et al. 2021).

Three networks: mapping (motion window -> descriptor), warping (portrait, descriptor -> flow, warped portrait) and
editing (portrait, warped portrait, descriptor -> frame). Everything that depends on the portrait alone is computed
once, in `prepare`.

Deviation: in the official editing network the first half of every residual block is computed and then overwritten.
Here it is neither computed nor kept; `tests/equivalence/test_pirenderer.py` shows identical output.

Runs on: any torch device; pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from styletalk_core.errors import InputError

COEFFICIENTS: Final = 73
"""64 expression, 3 angles, 3 translation and 3 crop coefficients of the Basel model."""
RADIUS: Final = 13
"""Motion frames on each side of the rendered frame."""
SLOPE: Final = 0.1
_NORM_HIDDEN: Final = 128


@dataclass(frozen=True, slots=True)
class RendererDimensions:
    """Widths of the three networks; defaults as published."""

    descriptor: int = 256
    widest: int = 256
    mapping_layers: int = 3
    warping_base: int = 32
    warping_down: int = 5
    warping_up: int = 3
    editing_base: int = 64
    editing_layers: int = 3
    editing_blocks: int = 2


@dataclass(frozen=True, slots=True)
class PortraitState:
    """B portraits and the features derived from them alone."""

    image: Tensor
    """(B, 3, H, W), -1..1"""
    warping: Tensor
    """Features of the warping network's first layer."""
    editing: Tensor
    """The portrait's contribution to the editing network's first layer."""

    @staticmethod
    def join(states: "Sequence[PortraitState]") -> "PortraitState":
        """Concatenates the states of several portraits into a batch."""
        if len(states) == 1:
            return states[0]
        return PortraitState(
            torch.cat([state.image for state in states]),
            torch.cat([state.warping for state in states]),
            torch.cat([state.editing for state in states]),
        )


class AdaptiveNorm(nn.Module):
    """Instance norm with scale and shift from the descriptor (AdaIN)."""

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.shared = nn.Linear(descriptor, _NORM_HIDDEN)
        self.gamma = nn.Linear(_NORM_HIDDEN, channels)
        self.beta = nn.Linear(_NORM_HIDDEN, channels)

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        """Normalises x (B, C, H, W) under descriptor (B, D)."""
        hidden = F.relu(self.shared(descriptor))
        gamma, beta = self.gamma(hidden)[..., None, None], self.beta(hidden)[..., None, None]
        normalised: Tensor = F.instance_norm(x) * (1 + gamma) + beta
        return normalised


class MapNorm(nn.Module):
    """Layer norm over a whole feature map, with one scale and shift per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalises x (B, C, H, W)."""
        return F.layer_norm(x, x.shape[1:]) * self.weight + self.bias


class MappingNet(nn.Module):
    """Motion window (B, 73, 27) -> descriptor (B, D)."""

    def __init__(self, d: RendererDimensions) -> None:
        super().__init__()
        self.first = nn.Conv1d(COEFFICIENTS, d.descriptor, 7)
        self.layers = nn.ModuleList(
            nn.Conv1d(d.descriptor, d.descriptor, 3, dilation=3) for _ in range(d.mapping_layers)
        )

    def forward(self, motion: Tensor) -> Tensor:
        """Maps a motion window; every layer shortens it by three frames on either side."""
        x: Tensor = self.first(motion)
        for layer in self.layers:
            x = layer(F.leaky_relu(x, SLOPE)) + x[..., 3:-3]
        return x.mean(dim=-1)


class DownBlock(nn.Module):
    """Downsampling by 2, conditioned on the descriptor."""

    def __init__(self, inputs: int, outputs: int, descriptor: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm_0 = AdaptiveNorm(inputs, descriptor)
        self.norm_1 = AdaptiveNorm(outputs, descriptor)

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/2, W/2)."""
        x = self.conv_0(F.leaky_relu(self.norm_0(x, descriptor), SLOPE))
        down: Tensor = self.conv_1(F.leaky_relu(self.norm_1(x, descriptor), SLOPE))
        return down


class UpBlock(nn.Module):
    """Upsampling by 2, conditioned on the descriptor, with a learned shortcut."""

    def __init__(self, inputs: int, outputs: int, descriptor: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv_1 = nn.ConvTranspose2d(outputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.conv_s = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.norm_0 = AdaptiveNorm(inputs, descriptor)
        self.norm_1 = AdaptiveNorm(outputs, descriptor)
        self.norm_s = AdaptiveNorm(inputs, descriptor)

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        change = self.conv_0(F.leaky_relu(self.norm_0(x, descriptor), SLOPE))
        change = self.conv_1(F.leaky_relu(self.norm_1(change, descriptor), SLOPE))
        up: Tensor = self.conv_s(F.leaky_relu(self.norm_s(x, descriptor), SLOPE)) + change
        return up


class WarpingNet(nn.Module):
    """Hourglass network that estimates the flow from output pixels to the portrait."""

    def __init__(self, d: RendererDimensions) -> None:
        super().__init__()
        width = [min(d.warping_base * 2**i, d.widest) for i in range(d.warping_down + 1)]
        self.first = nn.Conv2d(3, width[0], 7, padding=3)
        self.down = nn.ModuleList(DownBlock(width[i], width[i + 1], d.descriptor) for i in range(d.warping_down))
        self.depths = range(d.warping_down - 1, d.warping_down - 1 - d.warping_up, -1)
        self.up = nn.ModuleDict(
            {
                str(i): UpBlock(width[i + 1] * (1 if i == self.depths[0] else 2), width[i], d.descriptor)
                for i in self.depths
            }
        )
        outputs = 2 * width[self.depths[-1]]
        self.flow_norm = MapNorm(outputs)
        self.flow = nn.Conv2d(outputs, 2, 7, padding=3)

    def forward(self, first: Tensor, descriptor: Tensor) -> Tensor:
        """Flow (B, 2, H/4, W/4) in pixels of the flow map, from the portrait's first features and descriptor (B, D)."""
        x, kept = first, [first]
        for block in self.down:
            x = block(x, descriptor)
            kept.append(x)
        for depth in self.depths:
            x = torch.cat([self.up[str(depth)](x, descriptor), kept[depth]], dim=1)
        flow: Tensor = self.flow(F.leaky_relu(self.flow_norm(x), SLOPE))
        return flow


class ConvBlock(nn.Module):
    """Convolution, whole-map norm, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, padding=size // 2)
        self.norm = MapNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        return self.activate(self.conv(x))

    def activate(self, x: Tensor) -> Tensor:
        """Applies the layers after the convolution."""
        return F.leaky_relu(self.norm(x), SLOPE)


class ResidualBlock(nn.Module):
    """The half of the official residual block that affects its output."""

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = AdaptiveNorm(channels, descriptor)

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + cast(Tensor, self.norm(self.conv(x), descriptor))


class EditingNet(nn.Module):
    """Editing network: adds to the warped portrait what warping cannot produce, such as teeth and shadows."""

    def __init__(self, d: RendererDimensions) -> None:
        super().__init__()
        width = [min(d.editing_base * 2**i, d.widest) for i in range(d.editing_layers + 1)]
        depths = range(d.editing_layers)
        self.first = ConvBlock(6, width[0], size=7)
        self.down = nn.ModuleList(ConvBlock(width[i], width[i + 1]) for i in depths)
        self.res = nn.ModuleList(
            nn.ModuleList(ResidualBlock(width[i + 1], d.descriptor) for _ in range(d.editing_blocks)) for i in depths
        )
        self.up = nn.ModuleList(ConvBlock(width[i + 1], width[i]) for i in depths)
        self.jump = nn.ModuleList(ConvBlock(width[i], width[i]) for i in depths)
        self.final = nn.Conv2d(width[0], 3, 7, padding=3)

    def forward(self, portrait: Tensor, warped: Tensor, descriptor: Tensor) -> Tensor:
        """Image (B, 3, H, W), -1..1, from the portrait's part of the first layer and the warped portrait."""
        share = F.conv2d(warped, self.first.conv.weight[:, 3:], padding=3)
        x = self.first.activate(portrait + share)
        kept = [x]
        for block in self.down:
            x = F.avg_pool2d(block(x), 2)
            kept.append(x)
        for depth in reversed(range(len(self.up))):
            for block in cast(nn.ModuleList, self.res[depth]):
                x = block(x, descriptor)
            x = self.up[depth](F.interpolate(x, scale_factor=2.0)) + self.jump[depth](kept[depth])
        return torch.tanh(self.final(x))


class PIRenderer(nn.Module):
    """PIRenderer with its three networks."""

    def __init__(self, dimensions: RendererDimensions | None = None) -> None:
        super().__init__()
        d = dimensions or RendererDimensions()
        self.dimensions = d
        self.mapping = MappingNet(d)
        self.warping = WarpingNet(d)
        self.editing = EditingNet(d)

    def prepare(self, image: Tensor) -> PortraitState:
        """Computes everything that depends only on the portrait (3, H, W); values -1..1, H and W multiples of 32.

        Raises:
            InputError: another shape, or values that are not finite.
        """
        if image.dim() != 3 or image.shape[0] != 3 or image.shape[1] % 32 or image.shape[2] % 32:
            raise InputError(f"a portrait has shape (3, H, W) with H and W multiples of 32, not {tuple(image.shape)}")
        if not torch.isfinite(image).all():
            raise InputError("the portrait contains values that are not finite")
        image = image[None]
        first = self.editing.first.conv
        editing = F.conv2d(image, first.weight[:, :3], first.bias, padding=3)
        return PortraitState(image, self.warping.first(image), editing)

    def render(self, state: PortraitState, motion: Tensor) -> Tensor:
        """Renders motion windows (B, 73, 27), all of one portrait or each of its own: (B, 3, H, W), -1..1.

        Raises:
            InputError: the windows have another shape or contain values that are not finite.
        """
        if motion.shape[1:] != (COEFFICIENTS, 2 * RADIUS + 1):
            raise InputError(f"motion windows have shape (B, 73, 27), not {tuple(motion.shape)}")
        if not torch.isfinite(motion).all():
            raise InputError("the motion contains values that are not finite")
        batch = len(motion)
        descriptor = self.mapping(motion)
        flow = self.warping(state.warping.expand(batch, -1, -1, -1), descriptor)
        warped = warp(state.image.expand(batch, -1, -1, -1), flow)
        image: Tensor = self.editing(state.editing, warped, descriptor)
        return image


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Samples image (B, 3, H, W) at the positions given by flow (B, 2, h, w), in pixels of the flow map."""
    height, width = flow.shape[2:]
    y, x = torch.linspace(-1, 1, height).to(flow), torch.linspace(-1, 1, width).to(flow)
    across = x + 2 * flow[:, 0] / (width - 1)
    down = y[:, None] + 2 * flow[:, 1] / (height - 1)
    grid = F.interpolate(torch.stack([across, down], dim=1), size=image.shape[2:], mode="bilinear", align_corners=False)
    return F.grid_sample(image, grid.permute(0, 2, 3, 1), align_corners=False)


def motion_windows(motion: Tensor, known_future: int = RADIUS) -> Tensor:
    """Cuts motion (T, 73) into windows (T, 73, 27) centred on each frame.

    Outside the clip, and beyond ``known_future`` frames ahead, the nearest known frame is repeated, as a stream must.
    """
    index = torch.arange(len(motion))[:, None] + torch.arange(-RADIUS, RADIUS + 1).clamp(max=known_future)
    return motion[index.clamp(0, len(motion) - 1)].mT
