"""Triangles to a backward map: for each output pixel, the place in the source picture that it shows.

Runs on: the worker thread, or anywhere; pure. Compiled once by numba and cached beside the module.
"""

import numba
import numpy as np

from styletalk_core.renderer.arrays import Float, Image, Index


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
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = target[a, 0], target[a, 1]
        bx, by = target[b, 0] - ax, target[b, 1] - ay
        cx, cy = target[c, 0] - ax, target[c, 1] - ay
        area = bx * cy - by * cx
        sax, say = source[a, 0], source[a, 1]
        sbx, sby = source[b, 0] - sax, source[b, 1] - say
        scx, scy = source[c, 0] - sax, source[c, 1] - say
        if abs(area) < 1e-6:
            continue
        # u along a->b and v along a->c are affine in the pixel position.
        u_x, u_y = cy / area, -cx / area
        v_x, v_y = -by / area, bx / area
        top = max(0, int(np.ceil(ay + min(np.float32(0), by, cy) - 1e-3)))
        bottom = min(height - 1, int(np.floor(ay + max(np.float32(0), by, cy) + 1e-3)))
        left = ax + min(np.float32(0), bx, cx)
        right = ax + max(np.float32(0), bx, cx)
        for y in range(top, bottom + 1):
            # The row's span: where u, v and 1 - u - v are all at least zero.
            u0 = u_y * (y - ay) - u_x * ax
            v0 = v_y * (y - ay) - v_x * ax
            low, high = left, right
            for edge in range(3):
                if edge == 0:
                    slope, start = u_x, u0
                elif edge == 1:
                    slope, start = v_x, v0
                else:
                    slope, start = -u_x - v_x, np.float32(1) - u0 - v0
                if slope > 1e-9:
                    low = max(low, -start / slope)
                elif slope < -1e-9:
                    high = min(high, -start / slope)
                elif start < -1e-4:
                    high = low - 1
            first = max(0, int(np.ceil(low - 1e-3)))
            last = min(width - 1, int(np.floor(high + 1e-3)))
            for x in range(first, last + 1):
                u = u_x * x + u0
                v = v_x * x + v0
                map_x[y, x] = sax + u * sbx + v * scx
                map_y[y, x] = say + u * sby + v * scy


@numba.njit(
    numba.void(numba.uint8[:, :, ::1], numba.uint8[:, :, ::1], numba.uint8[:, :, ::1]),
    cache=True,
    nogil=True,
)
def composite(layer: Image, background: Image, out: Image) -> None:
    """Lays ``layer`` (H, W, 4) RGBA over ``background`` (H, W, 3) into ``out`` (H, W, 3), rounded."""
    height, width = out.shape[:2]
    for y in range(height):
        for x in range(width):
            alpha = np.uint32(layer[y, x, 3])
            rest = np.uint32(255) - alpha
            for c in range(3):
                # (v + 128) * 257 >> 16 is v / 255, rounded, for every v up to 255 * 255.
                value = layer[y, x, c] * alpha + background[y, x, c] * rest
                out[y, x, c] = ((value + np.uint32(128)) * np.uint32(257)) >> np.uint32(16)
