"""Triangles to pixels: to a backward map, or at once to the picture that they show.

Runs on: any thread; pure. Compiled once by numba and cached beside the module.
"""

from typing import Any, Final

import numba
import numpy as np

from styletalk_core.renderer.arrays import Float, Image, Index
from styletalk_core.renderer.sampling import FRACTION_BITS, bilinear

SKIPPED: Final = 0
"""A triangle that shows nothing."""
PLAIN: Final = 1
RETOUCHED: Final = 2
"""A triangle that the fields of `retouch` bend and shade."""

_ONE: Final = 1 << FRACTION_BITS
_ROUNDING: Final = _ONE >> 9
"""Half of the step in which places are told apart."""
_FAR: Final = 1 << 14
"""Limit of places and slopes, px, for triangles that are nearly lines."""
_LANES: Final = 8
"""Numbers per node of the fields: displacement x, y, gain R, G, B, and padding to a vector register."""

_compiled: Any = numba.njit(nogil=True, cache=True, fastmath=True)


@_compiled  # type: ignore[untyped-decorator]
def _outline(target: Any, a: int, b: int, c: int, edges: Any) -> tuple[float, float, float, float]:
    """Writes the edges of a triangle, and returns its left, right, top and bottom; top > bottom if it has no area.

    Row k of ``edges`` (3, 3) is a bound ``edges[k, 0] + edges[k, 1] * y`` on x: from below where ``edges[k, 2]`` is 1,
    from above where it is -1; where it is 0 the edge is horizontal, and the bound must not be negative.
    """
    ax, ay = np.float64(target[a, 0]), np.float64(target[a, 1])
    bx, by = target[b, 0] - ax, target[b, 1] - ay
    cx, cy = target[c, 0] - ax, target[c, 1] - ay
    area = bx * cy - by * cx
    if not abs(area) >= 1e-6:
        return 0.0, 0.0, 1.0, 0.0
    # Barycentric coordinates u along a->b and v along a->c are affine in the pixel position.
    u_x, u_y, v_x, v_y = cy / area, -cx / area, -by / area, bx / area
    for edge in range(3):
        if edge == 0:
            slope_x, slope_y, start = u_x, u_y, 0.0
        elif edge == 1:
            slope_x, slope_y, start = v_x, v_y, 0.0
        else:
            slope_x, slope_y, start = -u_x - v_x, -u_y - v_y, 1.0
        start -= slope_x * ax + slope_y * ay
        if abs(slope_x) > 1e-9:
            edges[edge, 0], edges[edge, 1] = -start / slope_x, -slope_y / slope_x
            edges[edge, 2] = 1.0 if slope_x > 0 else -1.0
        else:
            edges[edge, 0], edges[edge, 1], edges[edge, 2] = start + 1e-4, slope_y, 0.0
    return ax + min(0.0, bx, cx), ax + max(0.0, bx, cx), ay + min(0.0, by, cy), ay + max(0.0, by, cy)


@_compiled  # type: ignore[untyped-decorator]
def _span(edges: Any, y: int, left: float, right: float, width: int) -> tuple[int, int]:
    """First and last column of a triangle in row ``y``; first > last where it has none."""
    low, high = left, right
    for edge in range(3):
        bound = edges[edge, 0] + edges[edge, 1] * y
        if edges[edge, 2] > 0:
            low = max(low, bound)
        elif edges[edge, 2] < 0:
            high = min(high, bound)
        elif bound < 0:
            high = low - 1
    return max(0, int(np.ceil(low - 1e-3))), min(width - 1, int(np.floor(high + 1e-3)))


@_compiled  # type: ignore[untyped-decorator]
def _to_source(target: Any, source: Any, a: int, b: int, c: int, linear: Any) -> None:
    """Writes the affine map (2, 3) from places in the output to those in the source picture."""
    ax, ay = np.float64(target[a, 0]), np.float64(target[a, 1])
    bx, by = target[b, 0] - ax, target[b, 1] - ay
    cx, cy = target[c, 0] - ax, target[c, 1] - ay
    area = bx * cy - by * cx
    for axis in range(2):
        start = np.float64(source[a, axis])
        along_b, along_c = source[b, axis] - start, source[c, axis] - start
        linear[axis, 0] = (along_b * cy - along_c * by) / area
        linear[axis, 1] = (along_c * bx - along_b * cx) / area
        linear[axis, 2] = start - linear[axis, 0] * ax - linear[axis, 1] * ay


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
    edges, linear = np.empty((3, 3)), np.empty((2, 3))
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        left, right, top, bottom = _outline(target, a, b, c, edges)
        if top > bottom:
            continue
        _to_source(target, source, a, b, c, linear)
        for y in range(max(0, int(np.ceil(top - 1e-3))), min(height - 1, int(np.floor(bottom + 1e-3))) + 1):
            first, last = _span(edges, y, left, right, width)
            for x in range(first, last + 1):
                map_x[y, x] = linear[0, 0] * x + (linear[0, 1] * y + linear[0, 2])
                map_y[y, x] = linear[1, 0] * x + (linear[1, 1] * y + linear[1, 2])


@_compiled  # type: ignore[untyped-decorator]
def _fixed(place: float) -> int:
    return int(min(max(place, -_FAR), _FAR) * _ONE)


@_compiled  # type: ignore[untyped-decorator]
def _limited(place: int, greatest: int) -> int:
    return min(max(place, 0), greatest)


@_compiled  # type: ignore[untyped-decorator]
def _gains(fields: Any) -> Any:
    """Fields (G, G, 5) of `Retouch.fields` with gains instead of their logarithms, padded: (G, G, 8)."""
    nodes = np.zeros((fields.shape[0], fields.shape[1], _LANES), np.float32)
    for row in range(fields.shape[0]):
        for column in range(fields.shape[1]):
            for k in range(5):
                value = fields[row, column, k]
                nodes[row, column, k] = value if k < 2 else np.exp(value)
    return nodes


@_compiled  # type: ignore[untyped-decorator]
def _retouched(address: int, stride: int, greatest: int, x: Any, y: Any, to_grid: Any, nodes: Any) -> Any:
    """The pixel of a picture at the place (x, y), bent and shaded by the ``nodes`` (G, G, 8) around it."""
    column = to_grid[0, 0] * x + to_grid[0, 1] * y + to_grid[0, 2]
    row = to_grid[1, 0] * x + to_grid[1, 1] * y + to_grid[1, 2]
    end = np.float32(nodes.shape[0] - 1)
    if not (column >= 0 and row >= 0 and column < end and row < end):
        at_x, at_y = _limited(_fixed(x) + _ROUNDING, greatest), _limited(_fixed(y) + _ROUNDING, greatest)
        return bilinear(address, stride, at_x, at_y)
    left, top = int(column), int(row)
    u, v = np.float32(column - left), np.float32(row - top)
    w_0, w_1, w_2, w_3 = (1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v
    value = np.empty(_LANES, np.float32)
    for k in range(_LANES):
        value[k] = (w_0 * nodes[top, left, k] + w_1 * nodes[top, left + 1, k]) + (
            w_2 * nodes[top + 1, left, k] + w_3 * nodes[top + 1, left + 1, k]
        )
    at_x = _limited(_fixed(x + value[0]) + _ROUNDING, greatest)
    at_y = _limited(_fixed(y + value[1]) + _ROUNDING, greatest)
    seen = np.int64(bilinear(address, stride, at_x, at_y))
    shaded = seen & 0xFF000000
    for k in range(3):
        level = np.float32((seen >> (8 * k)) & 255) * value[2 + k] + np.float32(0.5)
        shaded |= np.int64(min(level, np.float32(255))) << (8 * k)
    return np.uint32(shaded)


@numba.njit(
    numba.void(
        numba.float32[:, ::1], numba.float32[:, ::1], numba.int32[:, ::1], numba.uint8[::1], numba.uint8[:, :, ::1],
        numba.float32[:, ::1], numba.float32[:, :, ::1], numba.uint32[:, ::1], numba.int32[:, ::1],
    ),
    cache=True, fastmath=True, nogil=True,
)  # fmt: skip
def draw_triangles(
    target: Float,
    source: Float,
    triangles: Index,
    kinds: Index,
    texture: Image,
    to_grid: Float,
    fields: Float,
    layer: Index,
    extent: Index,
) -> None:
    """Draws a textured mesh.

    Args:
        target, source, triangles: as of `fill_triangles`.
        kinds: (F,) uint8 `SKIPPED`, `PLAIN` or `RETOUCHED`.
        texture: (T, T, 4) uint8 RGBA, continued beyond its edges.
        to_grid, fields: of `Retouch`.
        layer: (H, W) uint32 RGBA, red in the lowest byte; is transparent where nothing is drawn.
        extent: (H, 2) is overwritten: the first column of every row that is drawn, and the one after the last.
    """
    height, width = layer.shape
    edges, linear, nodes = np.empty((3, 3)), np.empty((2, 3)), _gains(fields)
    address, stride, greatest = texture.ctypes.data, texture.strides[0], (texture.shape[0] - 1) * _ONE - 1
    layer[:] = 0
    extent[:, 0], extent[:, 1] = width, 0
    for f in range(triangles.shape[0]):
        if kinds[f] == SKIPPED:
            continue
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        left, right, top, bottom = _outline(target, a, b, c, edges)
        if top > bottom:
            continue
        _to_source(target, source, a, b, c, linear)
        step_x, step_y = _fixed(linear[0, 0]), _fixed(linear[1, 0])
        for row in range(max(0, int(np.ceil(top - 1e-3))), min(height - 1, int(np.floor(bottom + 1e-3))) + 1):
            first, last = _span(edges, row, left, right, width)
            if first > last:
                continue
            extent[row, 0], extent[row, 1] = min(extent[row, 0], first), max(extent[row, 1], last + 1)
            x = linear[0, 0] * first + linear[0, 1] * row + linear[0, 2]
            y = linear[1, 0] * first + linear[1, 1] * row + linear[1, 2]
            if kinds[f] == PLAIN:
                at_x, at_y = _fixed(x) + _ROUNDING, _fixed(y) + _ROUNDING
                for column in range(first, last + 1):
                    layer[row, column] = bilinear(address, stride, _limited(at_x, greatest), _limited(at_y, greatest))
                    at_x += step_x
                    at_y += step_y
            else:
                for column in range(first, last + 1):
                    layer[row, column] = _retouched(
                        address, stride, greatest, np.float32(x), np.float32(y), to_grid, nodes
                    )
                    x += linear[0, 0]
                    y += linear[1, 0]
