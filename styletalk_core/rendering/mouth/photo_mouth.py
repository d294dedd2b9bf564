"""Photographed mouth interior: used while the mouth is about as far open as in the photo.

It is more accurate than any painted mouth, and at the photo's own expression the frame reproduces the photo.
Runs on: worker thread; built once per portrait.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP
from styletalk_core.rendering.raster.opening import smooth_curve

_OPEN: Final = 0.02
"""Minimum lip gap at which a photo shows the mouth interior, in inter-ocular distances."""
_STRETCHED: Final = 1.7, 4.5
"""Range of lip gaps, relative to the photo's, over which a mouth without teeth fades into the painted one."""
_WITH_TEETH: Final = 0.82, 1.3
"""Range of relative lip gaps within which a mouth with teeth is used; beyond it, the teeth would look stretched."""
_COLUMNS: Final = 33


@dataclass(frozen=True, slots=True)
class PhotoMouth:
    """Open mouth of a portrait (T, T, 3)."""

    image: Image
    columns: Float  # (C,) px, from corner to corner of the mouth
    top: Float  # (C,) px, edge of the upper lip
    gaps: Float  # (C,) px, between the lips
    has_teeth: bool

    @classmethod
    def of(cls, image: Image, landmarks: Float, unit: float, has_teeth: bool) -> "PhotoMouth | None":
        """Extracts the mouth of a portrait; landmarks (478, >=2) px, inter-ocular distance ``unit``; None if closed."""
        upper, lower = (smooth_curve(landmarks[list(lip), :2]) for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
        columns = np.linspace(upper[0, 0], upper[-1, 0], _COLUMNS, dtype=np.float32)
        top, bottom = (np.interp(columns, lip[:, 0], lip[:, 1]).astype(np.float32) for lip in (upper, lower))
        gaps = np.maximum(bottom - top, 0)
        return cls(image, columns, top, gaps, has_teeth) if gaps.max() > _OPEN * unit else None

    def lay_over(self, painted: Float, across: Float, down: Float, gap: float) -> Float:
        """Blends the photographed mouth over ``painted`` (h, w, 3), as far as it matches.

        Args:
            painted: the painted mouth.
            across: (w,) 0 right .. 1 left corner of the mouth.
            down: (h, w) 0 upper .. 1 lower lip.
            gap: largest distance between the lips, px of the portrait.
        """
        share = self._share(gap / float(self.gaps.max()))
        if share == 0:
            return painted
        place = across * (_COLUMNS - 1)
        at = np.arange(_COLUMNS)
        x, top, height = (np.interp(place, at, row).astype(np.float32) for row in (self.columns, self.top, self.gaps))
        seen = cv2.remap(
            self.image, np.broadcast_to(x, down.shape).copy(), top + down * height, cv2.INTER_LINEAR
        )  # fmt: skip
        return np.asarray(painted + (seen - painted) * np.float32(share), np.float32)

    def _share(self, opening: float) -> float:
        """Return the opacity of the photographed mouth at ``opening`` gaps of the photo."""
        if not self.has_teeth:
            low, high = _STRETCHED
            return float(np.clip((high - opening) / (high - low), 0, 1))
        least, most = _WITH_TEETH
        away = (1 - opening) / (1 - least) if opening < 1 else (opening - 1) / (most - 1)
        return max(0.0, 1 - away)
