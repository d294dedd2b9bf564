"""A rendered mesh agrees with its backward map: sampled, shaded, composited, in order."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from styletalk_core.rendering.raster.rasterizer import PLAIN, SHADED, SKIPPED, draw_triangles, fill_triangles

SIDE, TEXTURE = 40, 64
CORNERS = np.array([[2, 3], [37, 5], [4, 36], [35, 33]], np.float32)
SOURCE = np.array([[3, 2], [58, 4], [6, 60], [61, 57]], np.float32)
TRIANGLES = np.array([[0, 1, 2], [1, 2, 3]], np.int32)
FACING = np.array([1, -1], np.int8)
EVEN = np.ones((4, 3), np.float32)


@pytest.fixture
def texture() -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(0, 256, (TEXTURE, TEXTURE, 4)).astype(np.uint8)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    smooth[..., 3] = 255
    return smooth


def drawn(
    texture: NDArray[np.uint8],
    kind: int = PLAIN,
    gains: NDArray[np.float32] = EVEN,
    behind: NDArray[np.uint8] | None = None,
    corners: NDArray[np.float32] = CORNERS,
) -> NDArray[np.uint8]:
    layer = np.empty((SIDE, SIDE, 4), np.uint8)
    below = np.empty((0, SIDE, 4), np.uint8) if behind is None else behind
    draw_triangles(
        corners, SOURCE, gains, TRIANGLES, np.array([1, 0], np.int32), FACING, np.full(2, kind, np.uint8), texture,
        below.view(np.uint32)[..., 0], layer.view(np.uint32)[..., 0],
    )  # fmt: skip
    return layer


def mapped(texture: NDArray[np.uint8], corners: NDArray[np.float32] = CORNERS) -> NDArray[np.uint8]:
    maps = np.full((2, SIDE, SIDE), -99, np.float32)
    fill_triangles(corners, SOURCE, TRIANGLES, *maps)
    return np.asarray(cv2.remap(texture, *maps, cv2.INTER_LINEAR), np.uint8)


def test_a_mesh_is_drawn_as_its_map_says(texture: NDArray[np.uint8]) -> None:
    assert np.abs(drawn(texture).astype(int) - mapped(texture)).max() <= 2
    assert not drawn(texture, SKIPPED).any()


def test_a_triangle_that_was_folded_over_is_drawn_in_its_own_order(texture: NDArray[np.uint8]) -> None:
    folded = CORNERS.copy()
    folded[3] = 8, 9  # over the first triangle, though neighbours are drawn the other way round
    assert np.abs(drawn(texture, corners=folded).astype(int) - mapped(texture, folded)).max() <= 2


def test_gains_shade_evenly_between_the_corners(texture: NDArray[np.uint8]) -> None:
    plain = drawn(texture).astype(int)
    assert np.abs(drawn(texture, SHADED) - plain).max() <= 1
    gains = np.tile(np.array([1.1, 1, 9], np.float32), (4, 1))
    gains[:, 1] = 0.8 + 0.01 * CORNERS[:, 0]
    shown, shaded = plain[..., 3] == 255, drawn(texture, SHADED, gains)
    wanted = plain[..., :3] * np.stack(np.broadcast_arrays(1.1, 0.8 + 0.01 * np.arange(SIDE), 9), axis=-1)
    assert np.abs(shaded[..., :3] - wanted.clip(max=255))[shown].max() <= 1.2
    assert (shaded[..., 3] == plain[..., 3]).all()


def test_what_is_not_opaque_shows_the_background(texture: NDArray[np.uint8]) -> None:
    texture[..., 3] = np.linspace(0, 255, TEXTURE).astype(np.uint8)
    behind = np.full((SIDE, SIDE, 4), 200, np.uint8)
    alone, laid = drawn(texture), drawn(texture, behind=behind)
    share = alone[..., 3:] / 255.0
    assert np.abs(laid[..., :3] - (alone[..., :3] * share + 200 * (1 - share)))[3:-4, 4:-6].max() <= 1
    assert (laid[:2, :, :3] == 200).all()
