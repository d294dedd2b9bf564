"""Batched mesh renderer on a GPU: performs per-pixel work for the frames of many sessions together.

The CPU deforms the meshes and paints the small eye and mouth patches, with the same code as for one session; the GPU
finds the visible triangle of every pixel, samples the photos, composites patches, person and background, and converts
the frames to yuv420p.
Runs on: worker thread, any torch device. `test_batch_renderer.py` compares it with the CPU's frames.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from styletalk_core.rendering.arrays import Image
from styletalk_core.rendering.mesh_renderer import MeshRenderer, Scene
from styletalk_core.rendering.motion import Motion
from styletalk_core.rendering.raster.opening import Patch

_PICTURES_KEPT: Final = 96
"""Textures and backgrounds cached on the device; a texture of 1024 x 1024 takes 4 MB."""
_FRAMES_AT_ONCE: Final = 8
_MIN_TILE_PX: Final = 8
_TO_YUV: Final = ((65.738, 129.057, 25.064), (-37.945, -74.494, 112.439), (112.439, -94.154, -18.285))
"""BT.601 with video levels, RGB to Y, U, V, of 256."""


class BatchRenderer:
    """Renders frames of any portraits at one size."""

    def __init__(self, size: int, device: torch.device) -> None:
        self._size = size
        self._device = device
        self._resident: OrderedDict[int, tuple[Image, Tensor]] = OrderedDict()

    @torch.inference_mode()
    def render(self, motions: Sequence[Motion]) -> list[Image]:
        """Renders the same frames as `draw`, within one grey level."""
        return [
            image
            for start in range(0, len(motions), _FRAMES_AT_ONCE)
            for image in self._pictures(motions[start : start + _FRAMES_AT_ONCE])
        ]

    def _pictures(self, motions: Sequence[Motion]) -> list[Image]:
        scenes = [
            motion.renderer.scene(motion.renderer.offsets(motion.expression), motion.pose, motion.gaze, motion.blink)
            for motion in motions
        ]
        person = torch.stack([self._on_device(motion.renderer.person) for motion in motions]).permute(0, 3, 1, 2)
        places, gain = self._backward_maps([motion.renderer for motion in motions], scenes)
        layer = _sampled(person.float(), places).round_()
        layer[:, :3] = (layer[:, :3] * gain).clamp_(max=255).round_()
        self._lay_patches(layer, [scene.patches for scene in scenes])
        yuv = []
        for picture, motion in zip(layer, motions, strict=True):
            color, alpha = picture[:3], picture[3:] / 255
            if motion.behind is None:
                shown = torch.cat([color, picture[3:].expand(3, -1, -1)], dim=1)
            else:
                behind = self._on_device(motion.behind).permute(2, 0, 1).float()
                shown = behind + (color - behind) * alpha
            yuv.append(_yuv420p(shown.round()).cpu().numpy())
        return yuv

    def _backward_maps(self, renderers: Sequence[MeshRenderer], scenes: Sequence[Scene]) -> tuple[Tensor, Tensor]:
        """Return the texture position (N, H, W, 2) px and the gains (N, 3, H, W) of every output pixel."""
        size, device = self._size, self._device
        corners, sources, frames, orders = [], [], [], []
        for frame, (renderer, scene) in enumerate(zip(renderers, scenes, strict=True)):
            triangles = renderer.mesh.triangles
            corners.append(scene.vertices[triangles])
            sources.append(np.concatenate([scene.source, scene.gains], axis=1)[triangles])
            frames.append(np.full(len(triangles), frame))
            orders.append(np.arange(len(triangles)))
        target = torch.from_numpy(np.concatenate(corners)).to(device)
        source = torch.from_numpy(np.concatenate(sources)).to(device)
        frame_of = torch.from_numpy(np.concatenate(frames)).to(device)
        # The triangle painted last is the visible one.
        order = torch.from_numpy(np.concatenate(orders)).to(device)
        first = torch.tensor([0, *np.cumsum([len(part) for part in orders])[:-1]], device=device)
        barycentric, valid = _barycentric(target)
        winner = torch.zeros(len(scenes) * size * size, dtype=torch.int64, device=device)
        low = target.amin(1).ceil().clamp(0, size - 1).long()
        extent = (target.amax(1).floor().clamp(0, size - 1).long() - low + 1).amax(1)
        tile = _MIN_TILE_PX
        while tile < 2 * size:
            chosen = (valid & (extent > (tile // 2 if tile > _MIN_TILE_PX else 0)) & (extent <= tile)).nonzero()[:, 0]
            if len(chosen):
                self._paint_ranks(winner, chosen, tile, low, barycentric, frame_of, order)
            tile *= 2
        shown = winner.view(len(scenes), -1) + first[:, None]
        weights = barycentric[shown.view(-1)]
        edges = torch.stack([source[:, 1] - source[:, 0], source[:, 2] - source[:, 0]], dim=1)[shown.view(-1)]
        y, x = torch.meshgrid(*[torch.arange(size, device=device, dtype=torch.float32)] * 2, indexing="ij")
        pixel = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(-1, 3).repeat(len(scenes), 1)
        share = (weights * pixel[:, None]).sum(-1)
        values = (source[shown.view(-1), 0] + (share[..., None] * edges).sum(1)).view(len(scenes), size, size, -1)
        return values[..., :2], values[..., 2:].permute(0, 3, 1, 2)

    def _paint_ranks(
        self, winner: Tensor, chosen: Tensor, tile: int, low: Tensor, barycentric: Tensor, frame: Tensor, order: Tensor
    ) -> None:
        """Raises ``winner`` (N*H*W,) to the order of the ``chosen`` triangles over it, at most ``tile`` px wide."""
        size = self._size
        step = torch.arange(tile, device=self._device)
        x = low[chosen, 0, None, None] + step[None, None]
        y = low[chosen, 1, None, None] + step[None, :, None]
        a = barycentric[chosen][..., None, None]
        u = a[:, 0, 0] * x + a[:, 0, 1] * y + a[:, 0, 2]
        v = a[:, 1, 0] * x + a[:, 1, 1] * y + a[:, 1, 2]
        inside = (u >= -1e-4) & (v >= -1e-4) & (u + v <= 1 + 1e-4) & (x < size) & (y < size)
        index = (frame[chosen, None, None] * size + y) * size + x
        ranks = order[chosen, None, None].expand_as(index)
        winner.scatter_reduce_(0, index[inside], ranks[inside], "amax")

    def _lay_patches(self, layer: Tensor, patches: Sequence[Sequence[Patch]]) -> None:
        """Blends the patches of every frame into ``layer`` (N, 4, H, W), the k-th of all frames at a time."""
        for turn in range(max(len(each) for each in patches)):
            frames = [frame for frame, each in enumerate(patches) if len(each) > turn]
            now = [patches[frame][turn] for frame in frames]
            height, width = np.max([patch.mask.shape for patch in now], axis=0)
            corners = [
                [min(part.start, self._size - n) for part, n in zip(p.window, (height, width), strict=True)]
                for p in now
            ]
            packed = np.zeros((len(now), height, width, 4), np.float32)
            for canvas, corner, patch in zip(packed, corners, now, strict=True):
                rows, columns = (slice(w.start - c, w.stop - c) for w, c in zip(patch.window, corner, strict=True))
                canvas[rows, columns, :3], canvas[rows, columns, 3] = patch.color, patch.mask
            sent = torch.from_numpy(packed).to(self._device)
            top, left = torch.tensor(corners, device=self._device).T
            row = (top[:, None] + torch.arange(height, device=self._device))[:, :, None]
            column = (left[:, None] + torch.arange(width, device=self._device))[:, None]
            frame = torch.tensor(frames, device=self._device)[:, None, None]
            colors = layer[:, :3].permute(0, 2, 3, 1)
            under = colors[frame, row, column]
            colors[frame, row, column] = (under + (sent[..., :3] - under) * sent[..., 3:] + 0.5).floor()

    def _on_device(self, image: Image) -> Tensor:
        """Return ``image`` on the device, cached while in use."""
        known = self._resident.pop(id(image), None)
        if known is None:
            known = (image, torch.from_numpy(image).to(self._device))
        self._resident[id(image)] = known
        if len(self._resident) > _PICTURES_KEPT:
            self._resident.popitem(last=False)
        return known[1]


def _sampled(pictures: Tensor, places: Tensor) -> Tensor:
    """Samples images (N, C, T, T) at positions (N, H, W, 2) px, clamped to the image: (N, C, H, W)."""
    side = pictures.shape[-1]
    return F.grid_sample(pictures, places * (2 / (side - 1)) - 1, "bilinear", "border", align_corners=True)


def _barycentric(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Return affine maps (M, 2, 3) from pixels to u, v in triangles (M, 3, 2), and a mask of the non-degenerate."""
    a, b, c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0]
    valid = area.abs() >= 1e-6
    area = torch.where(valid, area, 1.0)
    u = torch.stack([c[:, 1], -c[:, 0]], -1) / area[:, None]
    v = torch.stack([-b[:, 1], b[:, 0]], -1) / area[:, None]
    maps = [torch.cat([slope, -(slope * a).sum(-1, keepdim=True)], -1) for slope in (u, v)]
    return torch.stack(maps, dim=1), valid


def _yuv420p(rgb: Tensor) -> Tensor:
    """Converts (3, H, W) RGB levels to (H*3//2, W) uint8; chroma is taken from every other pixel, as in OpenCV."""
    matrix = torch.tensor(_TO_YUV, device=rgb.device) / 256
    height, width = rgb.shape[1:]
    luma = torch.tensordot(matrix[0], rgb, 1) + 16
    chroma = torch.tensordot(matrix[1:], rgb[:, ::2, ::2], 1) + 128
    planes = torch.cat([luma.reshape(-1), chroma.reshape(-1)]).round().clamp(0, 255).to(torch.uint8)
    return planes.view(height * 3 // 2, width)
