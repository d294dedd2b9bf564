"""Delaunay triangulation of a few hundred 2D points, without SciPy.

Pure; runs once per renderer, about 50 ms for 300 points.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.rendering.arrays import Float, Index

_NUDGE: Final = 1e-6
"""Random displacement of each point, relative to the extent, so that no four points are cocircular, as in a grid."""
_FAR: Final = 1e4
"""Distance of the corners of the initial triangle, relative to the extent."""


def delaunay(points: Float) -> Index:
    """Triangulates points (V, 2) by Bowyer-Watson insertion; returns triangles (F, 3) in any order and orientation.

    Deviation: a triangle at the outline may be missing if its points are collinear within 1e-6 of the extent.
    """
    count = len(points)
    extent = float(np.ptp(points, axis=0).max())
    nudge = np.random.default_rng(0).uniform(-_NUDGE, _NUDGE, (count, 2))
    centered = (points - points.mean(axis=0)) / extent + nudge
    around = _FAR * np.array([[-1.0, -1.0], [3.0, -1.0], [-1.0, 3.0]])
    placed = np.concatenate([centered, around])
    triangles = np.array([[count, count + 1, count + 2]])
    circles = _circumcircles(placed[triangles])
    for point in range(count):
        offsets = circles[:, :2] - placed[point]
        hit = (offsets * offsets).sum(axis=1) < circles[:, 2]
        rim = _outline(triangles[hit])
        added = np.column_stack([rim, np.full(len(rim), point)])
        triangles = np.concatenate([triangles[~hit], added])
        circles = np.concatenate([circles[~hit], _circumcircles(placed[added])])
    return np.ascontiguousarray(triangles[(triangles < count).all(axis=1)].astype(np.int32))


def _outline(triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the edges (E, 2) that belong to exactly one triangle."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys, counts = np.unique(edges[:, 0] << 32 | edges[:, 1], return_counts=True)
    once = keys[counts == 1]
    return np.column_stack([once >> 32, once & 0xFFFFFFFF])


def _circumcircles(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns centre and squared radius (F, 3) of the circumcircles of triangles (F, 3, 2)."""
    a = corners[:, 0]
    b, c = corners[:, 1] - a, corners[:, 2] - a
    twice_area = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    bb, cc = (b * b).sum(axis=1), (c * c).sum(axis=1)
    x = (c[:, 1] * bb - b[:, 1] * cc) / twice_area
    y = (b[:, 0] * cc - c[:, 0] * bb) / twice_area
    return np.column_stack([a[:, 0] + x, a[:, 1] + y, x * x + y * y])
