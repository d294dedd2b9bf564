"""Openings in the face that show a layer behind it: the mouth and the eyes.

Runs on: any thread; pure.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numba
import numpy as np

from styletalk_core.rendering.arrays import Float, Image

UPSAMPLING: Final = 4
"""Points of a smooth curve per control point."""
_FRACTION_BITS: Final = 6
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a layer behind the face is visible."""

    left: int
    top: int
    mask: Float  # (h, w) 0 hidden .. 1 visible


@dataclass(frozen=True, slots=True)
class Patch:
    """A small image to blend over a frame, defined in its own window."""

    left: int
    top: int
    color: Float  # (h, w, 3) grey levels
    mask: Float  # (h, w) 0 transparent .. 1 opaque

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the patch covers."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def lay_over(self, image: Image) -> None:
        """Blends the patch into ``image`` (H, W, 4), weighted by the alpha of ``image``."""
        _lay_over(image, self.left, self.top, self.color, self.mask)


@numba.njit("float32[:,::1](float32[:,:])", nogil=True, cache=True)
def smooth_curve(points: Float) -> Float:
    """Catmull-Rom spline through ``points`` (N, 2), including both ends: (UPSAMPLING * (N - 1) + 1, 2)."""
    count = len(points)
    curve = np.empty((UPSAMPLING * (count - 1) + 1, 2), np.float32)
    for axis in range(2):
        for k in range(count - 1):
            p1, p2 = points[k, axis], points[k + 1, axis]
            p0 = points[k - 1, axis] if k > 0 else 2 * p1 - p2
            p3 = points[k + 2, axis] if k < count - 2 else 2 * p2 - p1
            for step in range(UPSAMPLING):
                t = np.float32(step / UPSAMPLING)
                bent = (2 * p0 - 5 * p1 + 4 * p2 - p3) * t + (3 * p1 - p0 - 3 * p2 + p3) * t * t
                curve[UPSAMPLING * k + step, axis] = (2 * p1 + (p2 - p0 + bent) * t) / 2
        curve[-1, axis] = points[-1, axis]
    return curve


def open_between(upper: Float, lower: Float, size: int, softness: float) -> Opening | None:
    """The area between two smooth curves (C, 2), px, from left to right; None if it is outside the frame.

    ``softness`` is the standard deviation of the mask's edge, px.
    """
    outline, left, top, right, bottom = _outline(upper, lower, size, softness)
    if right - left < 2 or bottom - top < 2:
        return None
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(canvas, [outline], 255, lineType=cv2.LINE_AA, shift=_FRACTION_BITS)
    mask = cv2.GaussianBlur(canvas * np.float32(1 / 255), (0, 0), softness)
    return Opening(left, top, mask)


@_compiled
def _outline(upper: Any, lower: Any, size: int, softness: float) -> Any:
    """Outline of an opening in its window, in OpenCV fixed-point integers, and the left, top, right and bottom."""
    count = len(upper)
    low = [min(upper[:, axis].min(), lower[:, axis].min()) for axis in range(2)]
    high = [max(upper[:, axis].max(), lower[:, axis].max()) for axis in range(2)]
    margin = int(np.ceil(3 * softness)) + 1
    left, top = max(int(np.floor(low[0])) - margin, 0), max(int(np.floor(low[1])) - margin, 0)
    right, bottom = min(int(np.ceil(high[0])) + margin + 1, size), min(int(np.ceil(high[1])) + margin + 1, size)
    outline = np.empty((2 * count, 2), np.int32)
    for k in range(count):
        for axis, start in ((0, left), (1, top)):
            outline[k, axis] = np.int32(np.rint((upper[k, axis] - start) * (1 << _FRACTION_BITS)))
            outline[-1 - k, axis] = np.int32(np.rint((lower[k, axis] - start) * (1 << _FRACTION_BITS)))
    return outline, left, top, right, bottom


@_compiled
def _lay_over(picture: Any, left: int, top: int, color: Any, mask: Any) -> None:
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            y, x = top + row, left + column
            opaque = mask[row, column] * (picture[y, x, 3] * np.float32(1 / 255))
            if opaque > 0:
                for k in range(3):
                    under = np.float32(picture[y, x, k])
                    picture[y, x, k] = np.uint8(under + (color[row, column, k] - under) * opaque + np.float32(0.5))
