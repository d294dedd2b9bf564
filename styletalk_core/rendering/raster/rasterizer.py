"""Triangle rasterizer: renders triangles to a backward map or directly to pixels.

Runs on: any thread; pure. Compiled once by numba and cached next to the module.
"""

from typing import Any, Final

import numba
import numpy as np

from styletalk_core.rendering.arrays import Float, Image, Index
from styletalk_core.rendering.raster.sampling import FRACTION_BITS, GAIN_BITS, prefetch
from styletalk_core.rendering.raster.span import PIXEL, draw_shaded_span, draw_span, lay_over
from styletalk_core.rendering.raster.triangle import BOX, EDGES, SLOPES, columns, compiled, outline, plane, whole

SKIPPED: Final = 0
"""A triangle that is not drawn."""
PLAIN: Final = 1
SHADED: Final = 2
"""A triangle whose colours are multiplied by gains."""

_FAR: Final = 1 << 18
"""Limit of texture coordinates and their gradients, px, for nearly degenerate triangles."""
_EVEN: Final = 1.0
"""Twice the area in square px below which a triangle has constant gains."""
_AHEAD: Final = 2
"""Rows by which the texture is prefetched; it has about two pixels per drawn pixel."""
_LINE: Final = 64
"""Bytes of a cache line."""
_TILE: Final = 8
"""Side of the tiles in which overlapping triangles are drawn in order, px."""


@numba.njit(
    numba.void(
        numba.float32[:, ::1], numba.float32[:, ::1], numba.int32[:, ::1], numba.float32[:, ::1], numba.float32[:, ::1]
    ),
    cache=True,
    fastmath=True,
    nogil=True,
)
def fill_triangles(target: Float, source: Float, triangles: Index, map_x: Float, map_y: Float) -> None:
    """Writes the source position of every covered pixel to ``map_x, map_y`` (H, W).

    Args:
        target: (V, 2) vertex positions in the output, px; pixel centres are at integers.
        source: (V, 2) vertex positions in the source image, px.
        triangles: (F, 3) vertex indices, drawn in order: later triangles cover earlier ones, so that triangles folded
            over by a head turn disappear behind nearer ones.
    """
    box, edges, slopes = np.empty(BOX, np.int64), np.empty(EDGES, np.int64), np.empty(SLOPES)
    for f in range(len(triangles)):
        outline(target, triangles, f, map_x.shape, box, edges, slopes)
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        across_x, down_x, start_x = plane(slopes, source[a, 0], source[b, 0], source[c, 0])
        across_y, down_y, start_y = plane(slopes, source[a, 1], source[b, 1], source[c, 1])
        for row in range(box[1] + 1 - box[0]):
            first, last = columns(box, edges, row)
            for x in range(first, last + 1):
                map_x[box[0] + row, x] = across_x * (x - box[2]) + (down_x * row + start_x)
                map_y[box[0] + row, x] = across_y * (x - box[2]) + (down_y * row + start_y)


@compiled
def _whole_plane(slopes: Any, a: Any, b: Any, c: Any, bits: int) -> tuple[int, int, int]:
    """`plane` in fixed-point integers with ``bits`` fraction bits."""
    across, down, start = plane(slopes, a, b, c)
    return whole(across, bits, _FAR), whole(down, bits, _FAR), whole(start, bits, _FAR)


@compiled
def _draw(
    triangles: Any,
    f: int,
    area: float,
    box: Any,
    edges: Any,
    slopes: Any,
    source: Any,
    gains: Any,
    shaded: bool,
    texture: Any,
    layer: Any,
) -> None:
    """Draws one triangle; see `draw_triangles` and `outline`."""
    a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
    address, stride, greatest = texture.ctypes.data, texture.strides[0], ((texture.shape[0] - 1) << FRACTION_BITS) - 1
    across_x, down_x, x = _whole_plane(slopes, source[a, 0], source[b, 0], source[c, 0], FRACTION_BITS)
    across_y, down_y, y = _whole_plane(slopes, source[a, 1], source[b, 1], source[c, 1], FRACTION_BITS)
    across_red_green = down_red_green = red_green = across_blue = down_blue = blue = 0
    if shaded:
        if abs(area) < _EVEN:
            b = c = a
        across_blue, down_blue, blue = _whole_plane(slopes, gains[a, 2], gains[b, 2], gains[c, 2], GAIN_BITS)
        across_red, down_red, red = _whole_plane(slopes, gains[a, 0], gains[b, 0], gains[c, 0], GAIN_BITS)
        across_green, down_green, green = _whole_plane(slopes, gains[a, 1], gains[b, 1], gains[c, 1], GAIN_BITS)
        # A negative red gain borrows from green in the packed sum; the borrow cancels at every pixel of the triangle.
        across_red_green, down_red_green = across_red + (across_green << 32), down_red + (down_green << 32)
        red_green = red + (green << 32)
    out = layer.ctypes.data + PIXEL * box[2]
    for row in range(box[1] + 1 - box[0]):
        first, last = columns(box, edges, row)
        count, offset = last + 1 - first, first - box[2]
        if count <= 0:
            continue
        at = (box[0] + row) * layer.strides[0] + PIXEL * offset
        at_x, at_y = x + row * down_x + offset * across_x, y + row * down_y + offset * across_y
        ahead_x, ahead_y = at_x + _AHEAD * down_x, at_y + _AHEAD * down_y
        line = address + (ahead_y >> FRACTION_BITS) * stride + (ahead_x >> FRACTION_BITS) * PIXEL
        for part in range(0, 2 * PIXEL * count, _LINE):
            prefetch(line + part)
            prefetch(line + part + stride)
        if shaded:
            draw_shaded_span(
                out + at, count, address, stride, greatest, at_x, at_y, across_x, across_y,
                red_green + row * down_red_green + offset * across_red_green,
                blue + row * down_blue + offset * across_blue, across_red_green, across_blue,
            )  # fmt: skip
        else:
            draw_span(out + at, count, address, stride, greatest, at_x, at_y, across_x, across_y)


@compiled
def _tiles(target: Any, triangles: Any, f: int, folded: Any, mark: bool) -> bool:
    """Whether triangle ``f`` touches one of the ``folded`` (rows, columns) tiles; with ``mark``, marks its tiles."""
    a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
    left, right = min(target[a, 0], target[b, 0], target[c, 0]) - 1, max(target[a, 0], target[b, 0], target[c, 0]) + 1
    top, bottom = min(target[a, 1], target[b, 1], target[c, 1]) - 1, max(target[a, 1], target[b, 1], target[c, 1]) + 1
    found = False
    for row in range(max(0, int(top) // _TILE), min(len(folded) - 1, int(bottom) // _TILE) + 1):
        for column in range(max(0, int(left) // _TILE), min(folded.shape[1] - 1, int(right) // _TILE) + 1):
            found |= folded[row, column]
            folded[row, column] |= mark
    return found


@numba.njit(
    numba.void(
        numba.float32[:, ::1], numba.float32[:, ::1], numba.float32[:, ::1], numba.int32[:, ::1], numba.int32[::1],
        numba.int8[::1], numba.uint8[::1], numba.uint8[:, :, ::1], numba.uint32[:, ::1], numba.uint32[:, ::1],
    ),
    cache=True, fastmath=True, nogil=True,
)  # fmt: skip
def draw_triangles(
    target: Float,
    source: Float,
    gains: Float,
    triangles: Index,
    order: Index,
    facing: Index,
    kinds: Index,
    texture: Image,
    behind: Index,
    layer: Index,
) -> None:
    """Draws a textured mesh: the image that `fill_triangles` maps.

    Neighbouring triangles are drawn together, because access to a large texture dominates the time. Triangles overlap
    only where some face backwards; in those tiles all triangles are drawn again in their own order.

    Args:
        target, source, triangles: as in `fill_triangles`.
        gains: (V, 3) factors for red, green and blue of `SHADED` triangles, above 0 and below 16.
        order: (F,) the triangles, with neighbours together.
        facing: (F,) int8, sign of the area of each triangle when it faces the viewer; 0 for triangles that cannot fold.
        kinds: (F,) uint8 `SKIPPED`, `PLAIN` or `SHADED`.
        texture: (T, T, 4) uint8 RGBA, extended beyond its edges.
        behind: (H, W) uint32 RGBA, red in the lowest byte, the background of the mesh; (0, W) for none.
        layer: (H, W) uint32 RGBA, overwritten with the composited colours and the alpha of the mesh.
    """
    height, width = layer.shape
    box, edges, slopes = np.empty(BOX, np.int64), np.empty(EDGES, np.int64), np.empty(SLOPES)
    folded, folds = np.zeros((height // _TILE + 1, width // _TILE + 1), np.bool_), False
    layer[:] = 0
    for turn in range(2 * len(order)):
        again = turn >= len(order)
        if again and not folds:
            break
        f = turn - len(order) if again else order[turn]
        if again and (kinds[f] == SKIPPED or not _tiles(target, triangles, f, folded, False)):
            continue
        area = outline(target, triangles, f, layer.shape, box, edges, slopes)
        if area * facing[f] < 0 and not again:
            _tiles(target, triangles, f, folded, True)
            folds = True
        if kinds[f] != SKIPPED:
            shaded = kinds[f] == SHADED
            _draw(triangles, f, area, box, edges, slopes, source, gains, shaded, texture, layer)
    if len(behind) > 0:
        lay_over(layer.ctypes.data, behind.ctypes.data, layer.size)
