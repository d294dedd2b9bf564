"""Proves that triangulations are Delaunay: equal to SciPy's where unique, and without gaps otherwise."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, Delaunay

from styletalk_core.rendering.raster.triangulation import delaunay


def rows(triangles: NDArray[np.int32]) -> set[tuple[int, ...]]:
    """Triangles without order."""
    return {tuple(sorted(triangle)) for triangle in triangles.tolist()}


@pytest.mark.parametrize("count", [3, 4, 20, 300])
def test_points_in_general_position(count: int) -> None:
    points = np.random.default_rng(count).uniform(-60, 570, (count, 2)).astype(np.float32)
    triangles = delaunay(points)
    assert triangles.dtype == np.int32 and len(triangles) == len(rows(triangles))
    assert rows(triangles) == rows(Delaunay(points).simplices)


def test_a_grid_is_covered_once() -> None:
    steps = np.linspace(-61.0, 573.0, 14)
    points = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    corners = points[delaunay(points)]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    assert areas.sum() == pytest.approx(ConvexHull(points).volume, rel=1e-6)
    assert (areas > 1).sum() == 2 * 13 * 13
