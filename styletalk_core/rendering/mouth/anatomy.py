"""Geometry and light of palate, tongue and teeth between parted lips; colours are supplied by the caller.

Lengths are inter-ocular distances (about 90 mm), x right and y down from the middle of the closed lips. The upper teeth
are fixed to the head, the lower teeth and the tongue to the jaw. The light comes from the front: the palate is nearly
black, the upper lip shades the teeth, and the tongue is lit only towards its tip.
Runs on: any thread; pure.
"""

from copy import copy
from typing import Any, Final

import cv2
import numba
import numpy as np

from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.mouth.teeth import TeethRow
from styletalk_core.rendering.raster.sampling import sample

PARTS: Final = ("palate", "tongue", "lower teeth", "upper teeth")
JAW: Final = (152, 175, 199, 200, 148, 377, 171, 396)
"""Landmarks of the chin, which move with the lower teeth."""

_TONGUE_CENTER, _TONGUE_HEIGHT, _TONGUE_WIDTH = 0.078, 0.135, 0.25
_UPPER_SHADOW, _LOWER_SHADOW = 0.042, 0.012  # depth of the lips' shadows
_LIT_GAP: Final = 0.07  # between the lips, from which all light enters
_compiled = numba.njit(nogil=True, cache=True, fastmath=True)


class MouthAnatomy:
    """The parts of an open mouth, sampled at any position."""

    def __init__(self, pixel: float, upper: TeethRow, lower: TeethRow) -> None:
        """``pixel`` is the distance between sampled positions; finer detail is averaged beforehand."""
        self._rows = [*_prepared(lower, pixel), *_prepared(upper, pixel)]

    def moved(self, upper: float, lower: float, scale: float) -> "MouthAnatomy":
        """The same mouth with rows of teeth displaced down by ``upper`` and ``lower``, and larger by ``scale``.

        The cutting edges stay at their height, the middle of the rows in the middle.
        """
        moved = copy(self)
        lower_teeth, lower_frame, upper_teeth, upper_frame = self._rows
        hidden = np.float32(len(upper_teeth) * upper_frame[2] * (scale - 1))
        size = np.array([scale, 1, scale], np.float32)
        below = lower_frame * size + np.array([0, lower, 0], np.float32)
        above = upper_frame * size + np.array([0, upper - hidden, 0], np.float32)
        moved._rows = [lower_teeth, below, upper_teeth, above]
        return moved

    def paint(
        self,
        visible: Float,
        places: Float,
        lips: Float,
        distance: float,
        jaw: Float,
        colors: Float,
    ) -> Float:
        """Computes the colours (h, w, 3) of an open mouth where it is ``visible`` (h, w).

        Args:
            visible: greater than 0 where a colour is needed.
            places: (2, 3) affine map from columns and rows to positions in the mouth.
            lips: (2, w) rows of the upper and the lower lip in each column.
            distance: distance between two rows.
            jaw: (2,) displacement of the jaw from rest.
            colors: (4, 3) colours of the `PARTS`.
        """
        return np.asarray(_paint(visible, places, lips, distance, jaw, colors, *self._rows))


def _prepared(row: TeethRow, pixel: float) -> tuple[Float, Float]:
    """Return a row's texture, no finer than needed for sampling every ``pixel``, and its left, top and pixel (3,)."""
    scale = min(1.0, row.pixel / pixel * 1.5)
    rgba = cv2.resize(row.rgba, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(rgba, np.float32), np.array([row.left, row.top, row.pixel / scale], np.float32)


@_compiled
def _paint(
    visible: Any,
    places: Any,
    lips: Any,
    distance: float,
    jaw: Any,
    colors: Any,
    lower_teeth: Any,
    lower_frame: Any,
    upper_teeth: Any,
    upper_frame: Any,
) -> Any:
    """See `MouthAnatomy.paint`."""
    painted = np.zeros((*visible.shape, 3), np.float32)
    lower, upper = np.zeros(4, np.float32), np.zeros(4, np.float32)
    for row in range(visible.shape[0]):
        for column in range(visible.shape[1]):
            if visible[row, column] <= 0:
                continue
            x = places[0, 0] * column + places[0, 1] * row + places[0, 2]
            y = places[1, 0] * column + places[1, 1] * row + places[1, 2]
            _teeth(lower_teeth, lower_frame, x - jaw[0], y - jaw[1], lower)
            _teeth(upper_teeth, upper_frame, x, y, upper)
            shown, tone = _tongue(x - jaw[0], y - jaw[1])
            light = _light((row - lips[0, column]) * distance, (lips[1, column] - row) * distance)
            behind_upper = 1 - upper[3]
            behind_teeth = behind_upper * (1 - lower[3])
            # Without light, every part is as dark as the palate; the tongue, further back, loses its light sooner.
            tongue = shown * tone * light * behind_teeth
            dark = 1 - light * (lower[3] * behind_upper + upper[3]) - tongue
            for k in range(3):
                enamel = lower[k] * behind_upper * colors[2, k] + upper[k] * colors[3, k]
                level = dark * colors[0, k] + tongue * colors[1, k] + light * enamel
                painted[row, column, k] = min(level, np.float32(255))
    return painted


@_compiled
def _tongue(x: float, y: float) -> tuple[float, float]:
    """Opacity and brightness of the tongue at a position relative to the jaw."""
    across, down = x / _TONGUE_WIDTH, (y - _TONGUE_CENTER) / _TONGUE_HEIGHT
    body = min(max(1 - across * across - down * down, 0.0), 1.0)
    groove = 1 - 0.16 * np.exp(-((across / 0.12) ** 2))
    front = min(max(0.82 + 0.55 * down, 0.2), 1.0)
    return min(body / 0.55, 1.0), front * groove


@_compiled
def _light(below_upper: Any, above_lower: Any) -> Any:
    """Amount of light at a distance from each lip; less enters where the lips are close, as at the corners."""
    entering = min(max((below_upper + above_lower) / _LIT_GAP, 0.0), 1.0)
    under_upper = min(max(below_upper / _UPPER_SHADOW, 0.0), 1.0)
    under_lower = min(max(above_lower / _LOWER_SHADOW, 0.0), 1.0)
    return (0.3 + 0.7 * entering) * (0.05 + 0.95 * under_upper**0.6) * (0.8 + 0.2 * under_lower)


@_compiled
def _teeth(teeth: Any, frame: Any, x: float, y: float, out: Any) -> None:
    """Samples a row of teeth into ``out`` (4,), premultiplied RGBA; ``frame`` is its left, top and pixel."""
    height, width = teeth.shape[:2]
    across, down = (x - frame[0]) / frame[2], (y - frame[1]) / frame[2]
    if 0 <= across <= width - 1 and 0 <= down <= height - 1:
        sample(teeth, across, down, out)
    else:
        out[:] = 0
