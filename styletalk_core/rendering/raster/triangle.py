"""Integer triangle setup: the columns covered in each row, and linear interpolation over the triangle.

Face triangles are only a few pixels wide, so the work per row must cost little more than one pixel.
Runs on: any thread; pure. Compiled into the functions that call it.
"""

from typing import Any, Final

import numba
import numpy as np

BOX: Final = 4
"""Values of a bounding box: first and last row, first and last column."""
EDGES: Final = 8
"""Values of the edges: column in the first row and step per row, of two left edges, then of two right edges."""
SLOPES: Final = 6
"""Values of a pair of barycentric coordinates: change per column, change per row, value at the corner of the box."""
_TOLERANCE: Final = 1e-3
"""Distance by which the centre of a covered pixel may lie outside the triangle, px."""
_COLUMN_BITS: Final = 24
"""Fraction bits of edge columns, px."""
_FARTHEST, _STEEPEST = 1e10, 1e7
"""Limits of edge columns, px, and of their steps; triangles with all vertices in the frame stay within them."""
_NO_EDGE: Final = 1 << 60
_LINE: Final = 1e-6
"""Twice the area in square px below which a triangle is degenerate."""

compiled = numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")


@compiled
def outline(target: Any, triangles: Any, f: int, shape: Any, box: Any, edges: Any, slopes: Any) -> Any:
    """Sets up triangle ``f`` for a frame of ``shape`` (rows, columns).

    Args:
        target: (V, 2) float32 vertex positions, px; pixel centres are at integers.
        triangles: (F, 3) int32 vertex indices.
        box: (`BOX`,) int64, overwritten; a degenerate triangle gets no rows.
        edges: (`EDGES`,) int64, overwritten; see `columns`.
        slopes: (`SLOPES`,) float64, overwritten; see `plane`.

    Returns:
        Twice the signed area.
    """
    a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
    ax, ay = np.float64(target[a, 0]), np.float64(target[a, 1])
    bx, by = target[b, 0] - ax, target[b, 1] - ay
    cx, cy = target[c, 0] - ax, target[c, 1] - ay
    area = bx * cy - by * cx
    box[0], box[1] = 0, -1
    if not abs(area) >= _LINE:
        return 0.0
    height, width = shape
    box[0] = max(0, int(np.ceil(ay + min(0.0, by, cy) - _TOLERANCE)))
    box[1] = min(height - 1, int(np.floor(ay + max(0.0, by, cy) + _TOLERANCE)))
    box[2] = max(0, int(np.ceil(ax + min(0.0, bx, cx) - _TOLERANCE)))
    box[3] = min(width - 1, int(np.floor(ax + max(0.0, bx, cx) + _TOLERANCE)))
    _bound(target, triangles, f, box[0], area > 0, edges)
    across_b, down_b, across_c, down_c = cy / area, -cx / area, -by / area, bx / area
    beside, below = box[2] - ax, box[0] - ay
    slopes[0], slopes[1], slopes[2] = across_b, down_b, beside * across_b + below * down_b
    slopes[3], slopes[4], slopes[5] = across_c, down_c, beside * across_c + below * down_c
    return area


@compiled
def _bound(target: Any, triangles: Any, f: int, top: int, clockwise: bool, edges: Any) -> None:
    """Writes the edges of triangle ``f``, except horizontal ones, which bound no row."""
    left, right = 0, 4
    edges[left], edges[left + 2], edges[right], edges[right + 2] = -_NO_EDGE, -_NO_EDGE, _NO_EDGE, _NO_EDGE
    edges[1::2] = 0
    for k in range(3):
        start, end = triangles[f, k], triangles[f, (k + 1) % 3]
        x, y = np.float64(target[start, 0]), np.float64(target[start, 1])
        down = target[end, 1] - y
        if abs(down) <= _TOLERANCE:
            continue
        step = (target[end, 0] - x) / down
        column = x + (top - y) * step
        if (down < 0) == clockwise:
            edges[left] = whole(column - _TOLERANCE, _COLUMN_BITS, _FARTHEST) + (1 << _COLUMN_BITS) - 1
            edges[left + 1] = whole(step, _COLUMN_BITS, _STEEPEST)
            left += 2
        else:
            edges[right] = whole(column + _TOLERANCE, _COLUMN_BITS, _FARTHEST)
            edges[right + 1] = whole(step, _COLUMN_BITS, _STEEPEST)
            right += 2


@compiled
def columns(box: Any, edges: Any, row: int) -> tuple[int, int]:
    """First and last column of a triangle in a ``row`` of its box; first > last if it has none."""
    first = max(edges[0] + row * edges[1], edges[2] + row * edges[3]) >> _COLUMN_BITS
    last = min(edges[4] + row * edges[5], edges[6] + row * edges[7]) >> _COLUMN_BITS
    return max(first, box[2]), min(last, box[3])


@compiled
def plane(slopes: Any, a: Any, b: Any, c: Any) -> tuple[float, float, float]:
    """Linear interpolation of a value that is ``a``, ``b``, ``c`` at the corners.

    Returns:
        The change per column, the change per row, and the value in the first row and column of the box.
    """
    b, c = np.float64(b) - a, np.float64(c) - a
    across, down = b * slopes[0] + c * slopes[3], b * slopes[1] + c * slopes[4]
    return across, down, a + b * slopes[2] + c * slopes[5]


@compiled
def whole(value: float, bits: int, limit: float) -> int:
    """``value``, clamped to ±``limit``, as a fixed-point integer with ``bits`` fraction bits."""
    return int(min(max(value, -limit), limit) * (1 << bits))
