"""Triangles to pixels: to a backward map, or at once to the picture that they show.

Runs on: any thread; pure. Compiled once by numba and cached beside the module.
"""

from typing import Any, Final

import numba
import numpy as np

from styletalk_core.renderer.arrays import Float, Image, Index
from styletalk_core.renderer.sampling import FRACTION_BITS, NUMBERS, bilinear, interpolate, prefetch

SKIPPED: Final = 0
"""A triangle that shows nothing."""
PLAIN: Final = 1
RETOUCHED: Final = 2
"""A triangle that the fields of `retouch` bend and shade."""

_ONE: Final = 1 << FRACTION_BITS
_ROUNDING: Final = _ONE >> 9
"""Half of the step in which places are told apart."""
_TOLERANCE: Final = 1e-3
"""Px by which a pixel's centre may lie beside a triangle that shows it."""
_FAR: Final = 1 << 14
"""Limit of places and slopes, px, for triangles that are nearly lines."""
_AHEAD: Final = 2
"""Rows ahead of which the texture is asked for."""
_FETCHED: Final = 8
"""Pixels, two texture pixels apart, that a line of memory serves."""
_OPAQUE: Final = np.uint32(0xFF000000)
_TILE: Final = 8
"""Side of the tiles, px, in which triangles that cover each other are drawn in order."""

_compiled: Any = numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]
def _set_up(target: Any, source: Any, triangles: Any, f: int, edges: Any, linear: Any) -> tuple[float, int, int]:
    """Writes edges and map of triangle ``f``; returns its area, signed and doubled, and its first and last row.

    A row's first column is the greatest of ``edges[k, 0] + edges[k, 1] * y`` for k = 0, 1, 2, its last one the least
    for k = 3, 4, 5. ``linear`` (2, 3) maps places in the output to the source.
    """
    a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
    ax, ay = np.float64(target[a, 0]), np.float64(target[a, 1])
    bx, by = target[b, 0] - ax, target[b, 1] - ay
    cx, cy = target[c, 0] - ax, target[c, 1] - ay
    area = bx * cy - by * cx
    if not abs(area) >= 1e-6:
        return 0.0, 1, 0
    edges[:3, 0], edges[3:, 0], edges[:, 1] = ax + min(0.0, bx, cx), ax + max(0.0, bx, cx), 0
    # Barycentric coordinates are affine in the pixel position, and at least zero inside.
    slopes_x, slopes_y = (cy / area, -by / area, (by - cy) / area), (-cx / area, bx / area, (cx - bx) / area)
    above, below = 1, 4
    for edge in range(3):
        slope_x, slope_y = slopes_x[edge], slopes_y[edge]
        if abs(slope_x) > 1e-9:
            start = (1.0 if edge == 2 else 0.0) - slope_x * ax - slope_y * ay
            if slope_x > 0:
                bound, above = above, above + 1
            else:
                bound, below = below, below + 1
            edges[bound, 0], edges[bound, 1] = -start / slope_x, -slope_y / slope_x
    for axis in range(2):
        start = np.float64(source[a, axis])
        along_b, along_c = source[b, axis] - start, source[c, axis] - start
        linear[axis, 0] = along_b * slopes_x[0] + along_c * slopes_x[1]
        linear[axis, 1] = along_b * slopes_y[0] + along_c * slopes_y[1]
        linear[axis, 2] = start - linear[axis, 0] * ax - linear[axis, 1] * ay
    first, last = ay + min(0.0, by, cy) - _TOLERANCE, ay + max(0.0, by, cy) + _TOLERANCE
    return area, int(np.ceil(first)), int(np.floor(last))


@_compiled  # type: ignore[untyped-decorator]
def _span(edges: Any, y: int, width: int) -> tuple[int, int]:
    """First and last column of a triangle in row ``y``; first > last where it has none."""
    low = max(edges[0, 0], edges[1, 0] + edges[1, 1] * y, edges[2, 0] + edges[2, 1] * y)
    high = min(edges[3, 0], edges[4, 0] + edges[4, 1] * y, edges[5, 0] + edges[5, 1] * y)
    return max(0, int(np.ceil(low - _TOLERANCE))), min(width - 1, int(np.floor(high + _TOLERANCE)))


@numba.njit(
    numba.void(
        numba.float32[:, ::1], numba.float32[:, ::1], numba.int32[:, ::1], numba.float32[:, ::1], numba.float32[:, ::1]
    ),
    cache=True,
    fastmath=True,
    nogil=True,
)
def fill_triangles(target: Float, source: Float, triangles: Index, map_x: Float, map_y: Float) -> None:
    """Writes into ``map_x, map_y`` (H, W) the source position of every pixel that a triangle covers.

    Args:
        target: (V, 2) vertex positions in the output, pixels; pixel centres are whole numbers.
        source: (V, 2) vertex positions in the source picture, pixels.
        triangles: (F, 3) vertex indices, painted in order: later ones cover earlier ones, so that one folded over
            by a turn of the head disappears behind what is nearer.
    """
    height, width = map_x.shape
    edges, linear = np.empty((6, 2)), np.empty((2, 3))
    for f in range(len(triangles)):
        _, top, bottom = _set_up(target, source, triangles, f, edges, linear)
        for y in range(max(0, top), min(height - 1, bottom) + 1):
            first, last = _span(edges, y, width)
            for x in range(first, last + 1):
                map_x[y, x] = linear[0, 0] * x + (linear[0, 1] * y + linear[0, 2])
                map_y[y, x] = linear[1, 0] * x + (linear[1, 1] * y + linear[1, 2])


@_compiled  # type: ignore[untyped-decorator]
def _fixed(place: Any) -> int:
    """A place or a step in the texture, px, in whole numbers as `bilinear` takes them."""
    return int(min(max(place, -_FAR), _FAR) * _ONE)


@_compiled  # type: ignore[untyped-decorator]
def _limited(place: int, greatest: int) -> int:
    return min(max(place, 0), greatest)


@_compiled  # type: ignore[untyped-decorator]
def _nodes(fields: Any) -> Any:
    """Fields (G, G, 5) of `Retouch.fields` with gains instead of their logarithms, padded: (G, G, `NUMBERS`)."""
    nodes = np.zeros((fields.shape[0], fields.shape[1], NUMBERS), np.float32)
    for row in range(fields.shape[0]):
        for column in range(fields.shape[1]):
            for k in range(5):
                value = fields[row, column, k]
                nodes[row, column, k] = value if k < 2 else np.exp(value)
    return nodes


@_compiled  # type: ignore[untyped-decorator]
def _retouched(
    address: int,
    stride: int,
    greatest: int,
    x: Any,
    y: Any,
    to_grid: Any,
    grid: Any,
    value: Any,
    value_address: int,
) -> Any:
    """The pixel of a picture at the place (x, y), bent and shaded by the nodes around it.

    ``grid`` are address, nodes and bytes per row of `_nodes`; ``value`` (NUMBERS,) is scratch. Addresses rather than
    arrays, whose references would be counted for every pixel.
    """
    across = to_grid[0, 0] * x + to_grid[0, 1] * y + to_grid[0, 2]
    down = to_grid[1, 0] * x + to_grid[1, 1] * y + to_grid[1, 2]
    end = np.float32(grid[1] - 1)
    if not (across >= 0 and down >= 0 and across < end and down < end):
        at_x, at_y = _limited(_fixed(x) + _ROUNDING, greatest), _limited(_fixed(y) + _ROUNDING, greatest)
        return bilinear(address, stride, at_x, at_y)
    column, row = int(across), int(down)
    u, v = across - np.float32(column), down - np.float32(row)
    interpolate(grid[0] + row * grid[2] + column * 4 * NUMBERS, grid[2], u, v, value_address)
    at_x = _limited(_fixed(x + value[0]) + _ROUNDING, greatest)
    at_y = _limited(_fixed(y + value[1]) + _ROUNDING, greatest)
    seen = np.int64(bilinear(address, stride, at_x, at_y))
    shaded = seen & 0xFF000000
    for k in range(3):
        level = np.float32((seen >> (8 * k)) & 255) * value[2 + k]
        shaded |= int(min(level + np.float32(0.5), np.float32(255))) << (8 * k)
    return np.uint32(shaded)


@_compiled  # type: ignore[untyped-decorator]
def _over(pixel: Any, under: Any) -> Any:
    """A pixel that is not opaque laid over another; it keeps its own alpha."""
    alpha = np.int64(pixel) >> 24
    mixed = alpha << 24
    for k in range(0, 24, 8):
        # (v + 128) * 257 >> 16 is v / 255, rounded, for every v up to 255 * 255.
        value = ((np.int64(pixel) >> k) & 255) * alpha + ((np.int64(under) >> k) & 255) * (255 - alpha)
        mixed |= (((value + 128) * 257) >> 16) << k
    return np.uint32(mixed)


@_compiled  # type: ignore[untyped-decorator]
def _fetch(linear: Any, first: int, last: int, y: int, address: int, stride: int) -> None:
    """Asks for the part of a texture that columns ``first`` .. ``last`` of a row will show."""
    at_x = linear[0, 0] * first + linear[0, 1] * y + linear[0, 2]
    at_y = linear[1, 0] * first + linear[1, 1] * y + linear[1, 2]
    for _ in range(first, last + 1 + _FETCHED, _FETCHED):
        line = address + int(at_y) * stride + int(at_x) * 4
        prefetch(line)
        prefetch(line + stride)
        at_x += _FETCHED * linear[0, 0]
        at_y += _FETCHED * linear[1, 0]


@_compiled  # type: ignore[untyped-decorator]
def _draw_plain(
    layer: Any, y: int, first: int, last: int, linear: Any, address: int, stride: int, greatest: int
) -> Any:
    """Draws columns of a triangle into row ``y`` of the layer; returns the alpha bits that all of them have."""
    at_x = _fixed(linear[0, 0] * first + linear[0, 1] * y + linear[0, 2]) + _ROUNDING
    at_y = _fixed(linear[1, 0] * first + linear[1, 1] * y + linear[1, 2]) + _ROUNDING
    step_x, step_y = _fixed(linear[0, 0]), _fixed(linear[1, 0])
    _fetch(linear, first, last, y + _AHEAD, address, stride)
    end_x, end_y = at_x + (last - first) * step_x, at_y + (last - first) * step_y
    common = _OPAQUE
    if min(at_x, at_y, end_x, end_y) >= 0 and max(at_x, at_y, end_x, end_y) <= greatest:
        for x in range(first, last + 1):
            pixel = bilinear(address, stride, at_x, at_y)
            layer[y, x] = pixel
            common &= pixel
            at_x += step_x
            at_y += step_y
    else:
        for x in range(first, last + 1):
            pixel = bilinear(address, stride, _limited(at_x, greatest), _limited(at_y, greatest))
            layer[y, x] = pixel
            common &= pixel
            at_x += step_x
            at_y += step_y
    return common


@_compiled  # type: ignore[untyped-decorator]
def _draw_retouched(
    layer: Any,
    y: int,
    first: int,
    last: int,
    linear: Any,
    address: int,
    stride: int,
    greatest: int,
    to_grid: Any,
    grid: Any,
    scratch: Any,
    scratch_address: int,
) -> Any:
    """As `_draw_plain`, retouched; see `_retouched`."""
    place_x = linear[0, 0] * first + linear[0, 1] * y + linear[0, 2]
    place_y = linear[1, 0] * first + linear[1, 1] * y + linear[1, 2]
    _fetch(linear, first, last, y + _AHEAD, address, stride)
    common = _OPAQUE
    for x in range(first, last + 1):
        pixel = _retouched(
            address, stride, greatest, np.float32(place_x), np.float32(place_y), to_grid, grid, scratch, scratch_address
        )
        layer[y, x] = pixel
        common &= pixel
        place_x += linear[0, 0]
        place_y += linear[1, 0]
    return common


@_compiled  # type: ignore[untyped-decorator]
def _tiles(target: Any, triangles: Any, f: int, folded: Any, mark: bool) -> bool:
    """Whether triangle ``f`` lies in one of the ``folded`` (rows, columns) tiles; with ``mark`` it makes them so."""
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
        numba.float32[:, ::1], numba.float32[:, ::1], numba.int32[:, ::1], numba.int32[::1], numba.int8[::1],
        numba.uint8[::1], numba.uint8[:, :, ::1], numba.float32[:, ::1], numba.float32[:, :, ::1],
        numba.uint32[:, ::1], numba.uint32[:, ::1],
    ),
    cache=True, fastmath=True, nogil=True,
)  # fmt: skip
def draw_triangles(
    target: Float,
    source: Float,
    triangles: Index,
    order: Index,
    facing: Index,
    kinds: Index,
    texture: Image,
    to_grid: Float,
    fields: Float,
    behind: Index,
    layer: Index,
) -> None:
    """Draws a textured mesh: the picture that `fill_triangles` maps.

    Neighbours are drawn one after another, since it is the memory of a large texture that takes the time. Only where
    a triangle has turned its back do others cover each other, and there all are drawn again in their own order.

    Args:
        target, source, triangles: as of `fill_triangles`.
        order: (F,) the triangles, neighbours together.
        facing: (F,) int8, sign of the area of each triangle that has not turned its back; 0 for those that cannot.
        kinds: (F,) uint8 `SKIPPED`, `PLAIN` or `RETOUCHED`.
        texture: (T, T, 4) uint8 RGBA, continued beyond its edges.
        to_grid, fields: of `Retouch`.
        behind: (H, W) uint32 RGBA, red in the lowest byte, what the mesh is laid over; (0, W) for nothing.
        layer: (H, W) likewise; is overwritten: with the colours that are seen, and the mesh's own alpha.
    """
    height, width = layer.shape
    edges, linear, nodes, scratch = np.empty((6, 2)), np.empty((2, 3)), _nodes(fields), np.empty(NUMBERS, np.float32)
    grid, scratch_address = (nodes.ctypes.data, nodes.shape[0], nodes.strides[0]), scratch.ctypes.data
    address, stride, greatest = texture.ctypes.data, texture.strides[0], (texture.shape[0] - 1) * _ONE - 1
    folded, folds = np.zeros((height // _TILE + 1, width // _TILE + 1), np.bool_), False
    for y in range(height):
        for x in range(width):
            layer[y, x] = behind[y, x] if len(behind) > 0 else np.uint32(0)
    for turn in range(2 * len(order)):
        again = turn >= len(order)
        if again and not folds:
            break
        f = turn - len(order) if again else order[turn]
        if again and (kinds[f] == SKIPPED or not _tiles(target, triangles, f, folded, False)):
            continue
        area, top, bottom = _set_up(target, source, triangles, f, edges, linear)
        if area * facing[f] < 0 and not again:
            _tiles(target, triangles, f, folded, True)
            folds = True
        if kinds[f] == SKIPPED:
            continue
        for y in range(max(0, top), min(height - 1, bottom) + 1):
            first, last = _span(edges, y, width)
            if first > last:
                continue
            if kinds[f] == PLAIN:
                common = _draw_plain(layer, y, first, last, linear, address, stride, greatest)
            else:
                common = _draw_retouched(
                    layer, y, first, last, linear, address, stride, greatest, to_grid, grid, scratch, scratch_address
                )
            if common < _OPAQUE and len(behind) > 0:
                for x in range(first, last + 1):
                    layer[y, x] = _over(layer[y, x], behind[y, x])
