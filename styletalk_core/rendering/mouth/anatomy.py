"""Geometry and shading of palate, tongue and teeth between parted lips; colours are supplied by the caller.

Lengths are inter-ocular distances (about 90 mm), x right and y down from the middle of the closed lips. The upper teeth
are fixed to the head, the lower teeth and the tongue to the jaw. The row of teeth is a texture made from a synthetic
face (see `styletalk_core/lab/assets/teeth_texture.py`).
Runs on: any thread; pure.
"""

from functools import cache
from importlib.resources import files
from typing import Any, Final

import cv2
import numba
import numpy as np

from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.raster.sampling import sample

PARTS: Final = ("palate", "tongue", "lower teeth", "upper teeth")
JAW: Final = (152, 175, 199, 200, 148, 377, 171, 396)
"""Landmarks of the chin, which move with the lower teeth."""

_TEETH_SCALE: Final = 1 / 794  # size of a texture pixel
_TEETH_WHITE: Final = 0.93  # brightness of the enamel in the texture
_UPPER_EDGE: Final = 0.018  # lower edge of the upper teeth, below the line of the closed lips
_LOWER_EDGE: Final = 0.027  # upper edge of the lower teeth, below the same line
_LOWER_WIDTH: Final = 0.74  # width of the lower row, relative to the upper one
_LOWER_GUM: Final = 0.3  # share of the texture that the lower lip always covers
_TONGUE_CENTER, _TONGUE_HEIGHT, _TONGUE_WIDTH = 0.075, 0.115, 0.225
_UPPER_SHADOW, _LOWER_SHADOW = 0.045, 0.014  # depth of the lips' shadows
_CORNER_SHADE: Final = 0.62
_compiled = numba.njit(nogil=True, cache=True, fastmath=True)


class MouthAnatomy:
    """The parts of an open mouth, sampled at any position."""

    def __init__(self, pixel: float, upper_teeth: bool = True, lower_teeth: bool = True) -> None:
        """``pixel`` is the distance between sampled positions; finer detail is averaged beforehand.

        A row of teeth that is visible in the portrait is omitted.
        """
        self._upper_share, self._lower_share = float(upper_teeth), float(lower_teeth)
        scale = min(1.0, _TEETH_SCALE / pixel * 1.5)
        self._teeth = cv2.resize(_teeth_texture(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._teeth_scale = _TEETH_SCALE / scale

    def paint(
        self,
        visible: Float,
        places: Float,
        lips: Float,
        distance: float,
        jaw: Float,
        half_width: float,
        colors: Float,
    ) -> Float:
        """Computes the colours (h, w, 3) of an open mouth where it is ``visible`` (h, w).

        Args:
            visible: greater than 0 where a colour is needed.
            places: (2, 3) affine map from columns and rows to positions in the mouth.
            lips: (2, w) rows of the upper and the lower lip in each column.
            distance: distance between two rows.
            jaw: (2,) displacement of the jaw from rest.
            half_width: half width of the mouth at rest.
            colors: (4, 3) colours of the `PARTS`.
        """
        shares = np.array([self._lower_share, self._upper_share], np.float32)
        return np.asarray(
            _paint(visible, places, lips, distance, jaw, half_width, colors, self._teeth, self._teeth_scale, shares)
        )


@_compiled
def _paint(
    visible: Any,
    places: Any,
    lips: Any,
    distance: float,
    jaw: Any,
    half_width: float,
    colors: Any,
    teeth: Any,
    teeth_scale: float,
    shares: Any,
) -> Any:
    """See `MouthAnatomy.paint`; ``shares`` (2,) are 1 if there are lower and upper teeth, else 0."""
    painted = np.zeros((*visible.shape, 3), np.float32)
    lower, upper = np.zeros(4, np.float32), np.zeros(4, np.float32)
    for row in range(visible.shape[0]):
        for column in range(visible.shape[1]):
            if visible[row, column] <= 0:
                continue
            x = places[0, 0] * column + places[0, 1] * row + places[0, 2]
            y = places[1, 0] * column + places[1, 1] * row + places[1, 2]
            from_jaw = x - jaw[0]
            _row_of_teeth(teeth, teeth_scale, from_jaw / _LOWER_WIDTH, jaw[1] + _LOWER_EDGE - y, _LOWER_GUM, lower)
            _row_of_teeth(teeth, teeth_scale, x, y - _UPPER_EDGE, 0.0, upper)
            for k in range(4):
                lower[k] *= shares[0]
                upper[k] *= shares[1]
            shown, tone = _tongue(from_jaw, y - jaw[1])
            light = _light(
                abs(x) / (1.05 * half_width), (row - lips[0, column]) * distance, (lips[1, column] - row) * distance
            )
            behind_upper = 1 - upper[3]
            behind_teeth = behind_upper * (1 - lower[3])
            # Without light, every part is as dark and red as the palate.
            dark = 1 - light * (shown * behind_teeth + lower[3] * behind_upper + upper[3])
            for k in range(3):
                enamel = (lower[k] * behind_upper * colors[2, k] + upper[k] * colors[3, k]) / _TEETH_WHITE
                lit = shown * tone * behind_teeth * colors[1, k] + enamel
                painted[row, column, k] = dark * colors[0, k] + light * lit
    return painted


@_compiled
def _tongue(x: float, y: float) -> tuple[float, float]:
    """Opacity and brightness of the tongue at a position relative to the jaw."""
    across, down = x / _TONGUE_WIDTH, (y - _TONGUE_CENTER) / _TONGUE_HEIGHT
    body = min(max(1 - across * across - down * down, 0.0), 1.0)
    groove = 1 - 0.14 * np.exp(-((across / 0.12) ** 2))
    return min(body / 0.7, 1.0), (0.45 + 0.55 * np.sqrt(body)) * groove


@_compiled
def _light(corner: Any, below_upper: Any, above_lower: Any) -> Any:
    """Amount of light between the lips; ``corner`` is 0 in the middle .. 1 at the corners of the mouth."""
    corner = min(corner, 1.0)
    under_upper = min(max(below_upper / _UPPER_SHADOW, 0.0), 1.0)
    under_lower = min(max(above_lower / _LOWER_SHADOW, 0.0), 1.0)
    side = 1 - _CORNER_SHADE * corner * corner * np.sqrt(corner)
    return side * (0.3 + 0.7 * under_upper**0.8) * (0.6 + 0.4 * under_lower)


@_compiled
def _row_of_teeth(teeth: Any, scale: float, x: float, below_edge: float, hidden: float, out: Any) -> None:
    """Samples a row of teeth with its cutting edge at ``below_edge`` = 0 into ``out`` (4,), premultiplied RGBA.

    ``hidden`` is the share of the texture at the gums that is never visible.
    """
    height, columns = teeth.shape[:2]
    across = x / scale + columns / 2 - 0.5
    down = max(below_edge / scale + height - 3, hidden * height)
    if 0 <= across <= columns - 1 and 0 <= down <= height - 1:
        sample(teeth, across, down, out)
    else:
        out[:] = 0


@cache
def _teeth_texture() -> Float:
    """Loads the texture: (h, w, 4) premultiplied RGBA float32, 0..1."""
    data = np.frombuffer((files("styletalk_core") / "portraits" / "teeth.png").read_bytes(), np.uint8)
    bgra = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert bgra is not None
    rgba: Float = cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA).astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba
