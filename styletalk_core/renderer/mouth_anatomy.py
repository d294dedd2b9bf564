"""Where palate, tongue and teeth show between parted lips, and how they are shaded; their colours come from elsewhere.

Lengths are inter-ocular distances (about 90 mm), x right and y down from the middle of the closed lips. The upper teeth
are fixed to the head, the lower teeth and the tongue to the jaw. The row of teeth is a texture made of a synthetic face
(see teeth.py).
Runs on: any thread; pure.
"""

from functools import cache
from importlib.resources import files
from typing import Final

import cv2
import numpy as np

from styletalk_core.renderer.arrays import Float

PARTS: Final = ("palate", "tongue", "lower teeth", "upper teeth")
JAW: Final = (152, 175, 199, 200, 148, 377, 171, 396)
"""Landmarks of the chin, which move with the lower teeth."""

_TEETH_SCALE: Final = 1 / 794  # length of a texture pixel
_TEETH_WHITE: Final = 0.93  # brightness of the texture's enamel
_UPPER_EDGE: Final = 0.018  # the upper teeth end this far below the line of the closed lips
_LOWER_EDGE: Final = 0.027  # the lower teeth begin this far below it
_LOWER_WIDTH: Final = 0.74  # of the upper row
_LOWER_GUM: Final = 0.3  # share of the texture that the lower lip always covers
_TONGUE_CENTER, _TONGUE_HEIGHT, _TONGUE_WIDTH = 0.075, 0.115, 0.225
_UPPER_SHADOW, _LOWER_SHADOW = 0.045, 0.014  # depth of the lips' shadows
_CORNER_SHADE: Final = 0.62


class MouthAnatomy:
    """The parts of an open mouth, sampled at any place."""

    def __init__(self, pixel: float, upper_teeth: bool = True, lower_teeth: bool = True) -> None:
        """``pixel`` is the distance between the places that will be sampled; finer detail is averaged beforehand.

        A row of teeth that a portrait shows itself is left out.
        """
        self._upper_share, self._lower_share = float(upper_teeth), float(lower_teeth)
        scale = min(1.0, _TEETH_SCALE / pixel * 1.5)
        self._teeth = cv2.resize(_teeth_texture(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._teeth_scale = _TEETH_SCALE / scale

    def parts(self, x: Float, y: Float, jaw: Float, depth: tuple[Float, Float], half_width: float) -> Float:
        """How much of each part is seen, shaded and textured.

        Args:
            x, y: (h, w) places.
            jaw: (2,) how far the jaw has moved from rest.
            depth: (h, w) distances below the upper and above the lower lip.
            half_width: of the mouth at rest.

        Returns:
            (4, h, w, 3) in the order of `PARTS`; times a colour for each part, their sum is the picture.
        """
        tongue_y = (y - jaw[1] - _TONGUE_CENTER) / _TONGUE_HEIGHT
        tongue_x = (x - jaw[0]) / _TONGUE_WIDTH
        body = np.clip(1 - tongue_x**2 - tongue_y**2, 0, 1)
        tongue = np.clip(body / 0.7, 0, 1)
        groove = 1 - 0.14 * np.exp(-((tongue_x / 0.12) ** 2))
        tongue_tone = (0.45 + 0.55 * np.sqrt(body)) * groove
        lower = self._row((x - jaw[0]) / _LOWER_WIDTH, jaw[1] + _LOWER_EDGE - y, _LOWER_GUM) * self._lower_share
        upper = self._row(x, y - _UPPER_EDGE, 0.0) * self._upper_share
        behind_upper = 1 - upper[..., 3]
        behind_teeth = behind_upper * (1 - lower[..., 3])

        corner = np.clip(np.abs(x) / (1.05 * half_width), 0, 1)
        light = 1 - _CORNER_SHADE * corner**2.5
        light *= 0.3 + 0.7 * np.clip(depth[0] / _UPPER_SHADOW, 0, 1) ** 0.8
        light *= 0.6 + 0.4 * np.clip(depth[1] / _LOWER_SHADOW, 0, 1)
        parts = np.empty((len(PARTS), *x.shape, 3), np.float32)
        parts[1] = (tongue_tone * tongue * behind_teeth * light)[..., None]
        parts[2] = lower[..., :3] * (behind_upper * light / _TEETH_WHITE)[..., None]
        parts[3] = upper[..., :3] * (light / _TEETH_WHITE)[..., None]
        # Where no light falls, every part is as dark and red as the palate.
        lit = light * (tongue * behind_teeth + lower[..., 3] * behind_upper + upper[..., 3])
        parts[0] = (1 - lit)[..., None]
        return parts

    def _row(self, x: Float, below_edge: Float, hidden: float) -> Float:
        """A row of teeth whose cutting edge lies at ``below_edge`` = 0, (h, w, 4) RGBA, premultiplied.

        ``hidden`` is the share of the texture at its gums that is never shown.
        """
        height, columns = self._teeth.shape[:2]
        across = x / self._teeth_scale + columns / 2 - 0.5
        down = np.maximum(below_edge / self._teeth_scale + height - 3, hidden * height)
        return cv2.remap(self._teeth, across.astype(np.float32), down.astype(np.float32), cv2.INTER_LINEAR)


@cache
def _teeth_texture() -> Float:
    """(h, w, 4) RGBA float32 0..1, premultiplied."""
    data = np.frombuffer((files("styletalk_core") / "portraits" / "teeth.png").read_bytes(), np.uint8)
    bgra = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert bgra is not None
    rgba: Float = cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA).astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba
