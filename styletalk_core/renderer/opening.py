"""Openings in the face through which a layer behind it shows: the mouth and the eyes.

Runs on: worker thread; pure.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from styletalk_core.renderer.arrays import Float, Image

_FRACTION_BITS = 6


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a layer behind the face is visible."""

    left: int
    top: int
    mask: Float  # (h, w) 0 hidden .. 1 visible

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that ``mask`` covers."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def grid(self) -> tuple[Float, Float]:
        """Pixel positions (x, y), each (h, w)."""
        rows, columns = self.window
        x, y = np.meshgrid(
            np.arange(columns.start, columns.stop, dtype=np.float32),
            np.arange(rows.start, rows.stop, dtype=np.float32),
        )
        return x, y


@dataclass(frozen=True, slots=True)
class Patch:
    """Something small to be laid over the picture."""

    window: tuple[slice, slice]
    """Rows and columns of the picture that it covers."""
    color: Float  # (h, w, 3) grey levels
    mask: Float  # (h, w) 0 transparent .. 1 opaque

    def lay_over(self, picture: Image) -> None:
        """Blends it into ``picture`` (H, W, C >= 3)."""
        under = picture[self.window][..., :3]
        mask = self.mask[..., None]
        under[:] = (under * (1 - mask) + self.color * mask + 0.5).astype(np.uint8)


def smooth_curve(points: Float, upsampling: int = 4) -> Float:
    """Catmull-Rom spline through ``points`` (N, 2), ends kept, (upsampling * (N - 1) + 1, 2)."""
    return np.asarray(_spline(len(points), upsampling) @ points, np.float32)


@cache
def _spline(count: int, upsampling: int) -> Float:
    """The curve's points as a linear map (upsampling * (N - 1) + 1, N) of those it runs through."""
    points = np.eye(count, dtype=np.float32)
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    p0, p1, p2, p3 = (padded[k : len(padded) - 3 + k, None] for k in range(4))
    t = (np.arange(upsampling, dtype=np.float32) / upsampling)[None, :, None]
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return np.vstack([curve.reshape(-1, count), points[-1:]])


def open_between(upper: Float, lower: Float, size: int, softness: float) -> Opening | None:
    """The area between two curves (N, 2) px that run from left to right; None where it lies outside the picture.

    ``softness`` is the standard deviation of the mask's edge, px.
    """
    outline = np.vstack([smooth_curve(upper), smooth_curve(lower)[::-1]])
    margin = int(np.ceil(3 * softness)) + 1
    left, top = np.maximum(np.floor(outline.min(0)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(outline.max(0)).astype(int) + margin + 1, size)
    if right - left < 2 or bottom - top < 2:
        return None
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    fixed = np.round((outline - [left, top]) * (1 << _FRACTION_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], 255, lineType=cv2.LINE_AA, shift=_FRACTION_BITS)
    mask = cv2.GaussianBlur(canvas.astype(np.float32) / 255, (0, 0), softness)
    return Opening(int(left), int(top), mask)


def affine_between(source: Float, target: Float) -> Float:
    """Least-squares affine map (2, 3) that takes ``source`` (N, 2) to ``target`` (N, 2)."""
    middle, aim = source.mean(axis=0), target.mean(axis=0)
    centered = (source - middle).astype(np.float64)
    linear = np.linalg.solve(centered.T @ centered, centered.T @ (target - aim)).T
    return np.column_stack([linear, aim - linear @ middle]).astype(np.float32)
