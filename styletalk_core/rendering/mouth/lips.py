"""Lips of a photo: their edges around the opening, and the healing of parted lips.

Runs on: any thread, once per portrait; pure.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, LOWER_OUTER_LIP, UPPER_INNER_LIP, UPPER_OUTER_LIP
from styletalk_core.rendering.portrait.person_mask import fill_in
from styletalk_core.rendering.raster.opening import smooth_curve

_REDNESS: Final = 1.2
"""Whiteness is lightness minus this times redness (CIE a*); gums and tongue are bright, too, but red."""
_PARTED: Final = 0.025
"""Lip gap above which a photo's lips are healed, in inter-ocular distances, like all lengths below."""
_AROUND: Final = 0.1
_INNERMOST: Final = 0.014
"""Edge of the lips that is always replaced: blur, shadow and moisture of the opening."""
_MISPLACED: Final = 0.045
"""Distance beyond the landmarks up to which pixels unlike lips are replaced as well."""
_UNLIKE: Final = 3.0
"""Deviation from the colour of the lips, in robust standard deviations."""
_SEAM: Final = 0.013
_SEAM_SHADE: Final = 0.58
"""Width and brightness of the line between closed lips."""


@dataclass(frozen=True, slots=True)
class Lips:
    """The image region around the lips; all positions are px in it."""

    corner: Float  # (2,) px, its corner in the image
    window: tuple[slice, slice]
    upper: Float  # (C, 2) smooth edge of the upper lip at the opening
    lower: Float  # (C, 2)
    outline: Float  # (N, 2) outer edge of both lips

    @classmethod
    def around(cls, image: Image, landmarks: Float, unit: float, margin: float) -> "Lips":
        """The region of an image's landmarks (478, >=2) px with a margin in inter-ocular distances of ``unit`` px."""
        points = landmarks[:, :2]
        upper, lower = (smooth_curve(points[list(lip)]) for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
        outline = np.vstack([points[list(UPPER_OUTER_LIP)], points[list(LOWER_OUTER_LIP)][::-1]])
        both = np.vstack([upper, lower, outline])
        low = np.maximum(np.floor(both.min(0) - margin * unit), 0).astype(int)
        high = np.minimum(np.ceil(both.max(0) + margin * unit).astype(int), image.shape[1::-1])
        window = slice(low[1], high[1]), slice(low[0], high[0])
        return cls(low.astype(np.float32), window, upper - low, lower - low, outline - low)

    @property
    def gap(self) -> float:
        """Largest distance between the lips, px."""
        return float((self.lower - self.upper)[:, 1].max())

    @property
    def top(self) -> Float:
        """(W,) row of the upper lip's edge in each column."""
        return self._rows(self.upper)

    @property
    def bottom(self) -> Float:
        """(W,) row of the lower lip's edge in each column."""
        return self._rows(self.lower)

    def _rows(self, edge: Float) -> Float:
        columns = np.arange(self.window[1].stop - self.window[1].start)
        return np.interp(columns, edge[:, 0], edge[:, 1])

    def cut(self, image: Image) -> Float:
        """The region of an image (T, T, C), its colours (h, w, 3) float32."""
        return image[self.window][..., :3].astype(np.float32)

    def opening(self, shape: tuple[int, ...]) -> Float:
        """Mask (h, w) bool of the opening."""
        return _filled(np.vstack([self.upper, self.lower[::-1]]), shape)

    def inside(self, shape: tuple[int, ...]) -> Float:
        """Mask (h, w) bool of the lips, including the opening."""
        return _filled(self.outline, shape)


def heal_lips(image: Image, landmarks: Float, unit: float) -> Image:
    """Replaces all that a photo (T, T, 4) with parted lips shows between them by lip skin with a dark seam.

    Closed lips are returned as they are.
    """
    lips = Lips.around(image, landmarks, unit, _AROUND)
    if lips.gap < _PARTED * unit:
        return image
    patch = lips.cut(image)
    opening = lips.opening(patch.shape[:2])
    away = cv2.distanceTransform((~opening).astype(np.uint8), cv2.DIST_L2, 5) / unit
    inside = lips.inside(patch.shape[:2])
    skin = inside & (away > _INNERMOST)
    lab = cv2.cvtColor(patch / 255, cv2.COLOR_RGB2LAB)
    likely = skin & (away > min(_MISPLACED / 2, float(away[inside].max()) / 2))
    middle = np.median(lab[likely], axis=0)
    spread = 1.5 * np.median(np.abs(lab[likely] - middle), axis=0) + np.array([3, 2, 2], np.float32)
    unlike = (np.abs(lab - middle) / spread).max(axis=-1) > _UNLIKE
    replaced = (away <= _INNERMOST) | (unlike & inside & (away < _MISPLACED))
    replaced = cv2.dilate(replaced.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    filled = (fill_in(patch, (inside & ~replaced).astype(np.float32)) + np.median(patch[likely], axis=0)) / 2
    mask = cv2.GaussianBlur(replaced.astype(np.float32), (0, 0), max(0.7, 0.006 * unit))[..., None]
    shade = 1 - (1 - _SEAM_SHADE) * cv2.GaussianBlur(opening.astype(np.float32), (0, 0), max(0.7, _SEAM * unit))
    result = image.copy()
    result[lips.window][..., :3] = ((patch + (filled - patch) * mask) * shade[..., None]).clip(0, 255).round()
    return result


def whiteness(image: Float) -> Float:
    """Lightness of an image (H, W, 3) in grey levels, reduced where it is red: (H, W), CIE units."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[..., 0] - _REDNESS * np.maximum(lab[..., 1], 0), np.float32)


def _filled(outline: Float, shape: tuple[int, ...]) -> Float:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 1)
    return mask > 0
