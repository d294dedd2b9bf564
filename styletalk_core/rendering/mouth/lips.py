"""Lips of a photo: their edges around the opening, the healing of parted lips, and the line between them.

Runs on: any thread, once per portrait; pure.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, LOWER_OUTER_LIP, UPPER_INNER_LIP, UPPER_OUTER_LIP
from styletalk_core.rendering.portrait.push_pull import fill_in
from styletalk_core.rendering.raster.opening import Patch, open_between, smooth_curve

_REDNESS: Final = 1.2
"""Whiteness is lightness minus this times redness (CIE a*); gums and tongue are bright, too, but red."""
_PARTED: Final = 0.025
"""Lip gap above which a photo's lips are healed, in inter-ocular distances, like all lengths below."""
_AROUND: Final = 0.1
_INNERMOST: Final = 0.008
"""Edge of the lips that is always replaced: blur, shadow and moisture of the opening."""
_MISPLACED: Final = 0.045
"""Distance beyond the landmarks up to which pixels unlike lips are replaced as well."""
_UNLIKE: Final = 3.0
"""Deviation from the colour of the lips, in robust standard deviations."""
_EDGE_SHADE, _CORNER_SHADE = 0.15, 0.35
"""Darkness of healed lips at their inner edge, in the middle and at the corners of the mouth."""
_SHADE_HUE: Final = np.array([0.8, 1.1, 1.1], np.float32)
"""Exponents of the shade in R, G, B: light that reaches lips through lips is red."""
_SHADE_ENDS, _CORNER_SHADE_ENDS = 0.012, 0.05
"""Distance from the opening at which this darkness is gone."""
_CORNER: Final = 0.16
"""Distance from a corner at which its darkness is gone."""
_SPECK: Final = 0.012
"""Width of skin between replaced pixels that is replaced with them."""
_SEAM: Final = 0.007
"""Half width of the line between closed lips."""
_SEAM_SOFT: Final = 0.006
_SEAM_DARK, _SEAM_OPACITY = 0.45, 0.7
"""Brightness of the line relative to the lips, and its opacity."""
_SEAM_ENDS: Final = 0.03
"""Lip gap at which the line has given way to the inside of the mouth."""
_RIM: Final = 3
"""Points at each end of the curves of the lips over which the line grows to its width."""


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


class Seam:
    """The dark line between healed lips while they are closed; lips that a photo shows closed have their own."""

    def __init__(self, image: Image, landmarks: Float) -> None:
        """Args: image: (T, T, >=3); landmarks: (478, >=2) px."""
        middles = [
            (landmarks[list(inner), :2] + landmarks[list(outer), :2])[1:-1] / 2
            for inner, outer in ((UPPER_INNER_LIP, UPPER_OUTER_LIP), (LOWER_INNER_LIP, LOWER_OUTER_LIP))
        ]
        columns, rows = np.concatenate(middles).round().astype(int).T
        inside = (rows >= 0) & (rows < image.shape[0]) & (columns >= 0) & (columns < image.shape[1])
        lips = image[rows[inside], columns[inside], :3].astype(np.float32)
        self._color = np.median(lips, axis=0) * np.float32(_SEAM_DARK)

    @classmethod
    def of(cls, image: Image, landmarks: Float, unit: float) -> "Seam | None":
        """The line between the lips of a photo; None if it shows them closed; arguments as of `heal_lips`."""
        return cls(image, landmarks) if Lips.around(image, landmarks, unit, 0.0).gap >= _PARTED * unit else None

    def paint(self, lips: Float, size: int, unit: float) -> Patch | None:
        """Paints the line between the curves (2, C, 2) of the inner lips, px; None if they are open."""
        gap = float((lips[1] - lips[0])[:, 1].max()) / unit
        if gap >= _SEAM_ENDS:
            return None
        count = lips.shape[1]
        from_ends = np.minimum(np.arange(count), np.arange(count)[::-1])
        width = np.float32(_SEAM * unit) * np.minimum(from_ends / _RIM, 1).astype(np.float32)
        upper, lower = lips.copy()
        upper[:, 1] -= width
        lower[:, 1] += width
        line = open_between(upper, lower, size, max(0.6, _SEAM_SOFT * unit))
        if line is None:
            return None
        color = np.broadcast_to(self._color, (*line.mask.shape, 3))
        return Patch(line.left, line.top, color, line.mask * np.float32(_SEAM_OPACITY * (1 - gap / _SEAM_ENDS)))


def heal_lips(image: Image, landmarks: Float, unit: float) -> Image:
    """Replaces all that a photo (T, T, 4) with parted lips shows between them by lip skin; see also `Seam`.

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
    unlike &= inside & (away < _MISPLACED)
    speck = np.ones((round(_SPECK * unit) | 1,) * 2, np.uint8)
    found = ((away <= _INNERMOST) | unlike).astype(np.uint8)
    replaced = cv2.dilate(cv2.morphologyEx(found, cv2.MORPH_CLOSE, speck), np.ones((5, 5), np.uint8)) > 0
    filled = _healed(patch, inside & ~replaced, lips) * _shade(away, lips, unit)[..., None] ** _SHADE_HUE
    mask = cv2.GaussianBlur(replaced.astype(np.float32), (0, 0), max(0.7, 0.006 * unit))[..., None]
    result = image.copy()
    result[lips.window][..., :3] = (patch + (filled - patch) * mask).clip(0, 255).round()
    return result


def _healed(patch: Float, skin: Float, lips: Lips) -> Float:
    """Colours (h, w, 3) that continue each lip from its own ``skin`` (h, w) bool to the middle of the opening."""
    rows = np.arange(len(patch), dtype=np.float32)[:, None]
    share = np.clip((rows - lips.top) / np.maximum(lips.bottom - lips.top, 1), 0, 1)
    upper, lower = (fill_in(patch, np.where(own, skin, 1e-3 * skin)) for own in (share < 0.5, share >= 0.5))
    return np.asarray(upper + (lower - upper) * share[..., None].astype(np.float32), np.float32)


def _shade(away: Float, lips: Lips, unit: float) -> Float:
    """Brightness (h, w) of lips ``away`` (h, w) from the opening, which is darker there and at the corners."""
    columns = np.arange(away.shape[1], dtype=np.float32)
    from_corner = np.minimum(columns - lips.upper[0, 0], lips.upper[-1, 0] - columns) / (_CORNER * unit)
    corner = np.clip(1 - from_corner, 0, 1) ** 2
    depth = _EDGE_SHADE + (_CORNER_SHADE - _EDGE_SHADE) * corner
    reach = _SHADE_ENDS + (_CORNER_SHADE_ENDS - _SHADE_ENDS) * corner
    return np.asarray(1 - depth * np.clip(1 - away / reach, 0, 1) ** 2, np.float32)


def whiteness(image: Float) -> Float:
    """Lightness of an image (H, W, 3) in grey levels, reduced where it is red: (H, W), CIE units."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[..., 0] - _REDNESS * np.maximum(lab[..., 1], 0), np.float32)


def _filled(outline: Float, shape: tuple[int, ...]) -> Float:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 1)
    return mask > 0
