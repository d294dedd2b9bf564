"""Rows of teeth, as textures fixed to the skull (upper row) or to the jaw (lower row).

Runs on: any thread, once per portrait; pure.
"""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Index

_SOLID: Final = 0.5
"""Minimum opacity of teeth."""
_MIN_BLUR: Final = 0.3
"""Blur that is not seen, texture pixels."""
_TOOTH: Final = 0.018
"""Standard deviation of the window within which a tooth's length is measured, inter-ocular distances."""
_LOWER_SIZE, _LOWER_HIDDEN = 0.72, 0.35
_LOWER_TIPS: Final = 3
"""Texture rows above the cutting edge of a lower row."""
_LOWER_EDGE: Final = 0.025
"""Upper edge of the lower teeth, below the line of the closed lips."""


@dataclass(frozen=True, slots=True)
class TeethRow:
    """One row of teeth.

    Positions are inter-ocular distances, x right and y down: from the middle of the closed lips for the upper row, from
    the same place on the jaw for the lower one.
    """

    rgba: Float  # (h, w, 4) premultiplied, 0..1, relative to ``enamel``
    left: float
    top: float
    pixel: float  # distance between texture pixels
    enamel: Float
    """(3,) colour of brightly lit teeth: grey levels in the photo of `find_rows`, else relative to the usual colour."""

    def straightened(self, share: float) -> Float:
        """The texture with the curve of the cutting edge flattened: 0 as it is .. 1 straight."""
        rows, columns = np.asarray(np.indices(self.rgba.shape[:2]), np.float32)
        curve = self._edge()
        shift = np.broadcast_to(share * (curve - curve.max()), rows.shape)
        return np.asarray(cv2.remap(self.rgba, columns, rows + shift, cv2.INTER_LINEAR), np.float32)

    def evened(self, share: float) -> "TeethRow":
        """The row level, and teeth that are too long or too short nearer to the curve of the others: 0 as it is .. 1.

        Notches between teeth stay.
        """
        width = self.rgba.shape[1]
        solid, ends = self._ends()
        across = np.linspace(-1, 1, width)
        bend, _, middle = np.polyfit(across[solid], ends, 2)
        edge = np.interp(np.arange(width), solid, ends).astype(np.float32)[None]
        teeth = cv2.GaussianBlur(edge, (0, 0), _TOOTH / self.pixel, borderType=cv2.BORDER_REPLICATE)[0]
        rows, columns = np.asarray(np.indices(self.rgba.shape[:2]), np.float32)
        source = rows + np.float32(share) * (teeth - bend * across**2 - middle).astype(np.float32)
        rgba = cv2.remap(self.rgba, columns, source, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
        return replace(self, rgba=np.asarray(rgba.clip(0, 1), np.float32))

    def as_lower(self) -> "TeethRow":
        """A lower row made of this upper one: straight, upside down, smaller, the necks hidden by the lower lip."""
        height = len(self.rgba)
        straight = self.straightened(1.0)[::-1]
        above = max(height - 1 - round(float(self._edge().max())) - _LOWER_TIPS, 0)
        rgba = np.zeros_like(straight)
        rgba[: height - above] = straight[above:]
        rgba[round(height * (1 - _LOWER_HIDDEN)) :] = 0
        pixel = self.pixel * _LOWER_SIZE
        return TeethRow(rgba, self.left * _LOWER_SIZE, _LOWER_EDGE, pixel, self.enamel)

    def blurred(self, blur: float) -> "TeethRow":
        """The row as a photo shows it whose blur has a standard deviation of ``blur`` inter-ocular distances."""
        deviation = blur / self.pixel
        if deviation < _MIN_BLUR:
            return self
        margin = int(np.ceil(3 * deviation))
        padded = cv2.copyMakeBorder(self.rgba, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
        rgba = np.asarray(cv2.GaussianBlur(padded, (0, 0), deviation), np.float32)
        outside = margin * self.pixel
        return TeethRow(rgba, self.left - outside, self.top - outside, self.pixel, self.enamel)

    @property
    def edge(self) -> float:
        """Position of the cutting edge in the middle of the row."""
        return self.top + float(self._edge()[self.rgba.shape[1] // 2]) * self.pixel

    def _edge(self) -> Float:
        """Smooth curve (W,) of the cutting edge, px."""
        solid, ends = self._ends()
        return np.asarray(np.polyval(np.polyfit(solid, ends, 2), np.arange(self.rgba.shape[1])), np.float32)

    def _ends(self) -> tuple[Index, Index]:
        """Columns (N,) with teeth and the rows (N,) of their cutting edges."""
        teeth = self.rgba[..., 3] > _SOLID
        solid = np.flatnonzero(teeth.any(axis=0))
        return solid, len(teeth) - 1 - teeth[::-1, solid].argmax(axis=0)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows recognized in a photo, or chosen for a portrait."""

    upper: TeethRow | None
    lower: TeethRow | None
