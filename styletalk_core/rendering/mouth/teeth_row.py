"""Photographed teeth: extracted from a photo with an open mouth, to preserve the person's own smile.

Bright, colourless regions between the lips are teeth: those that start near the upper lip are attached to the head, the
others to the jaw.
Runs on: worker thread; built once per portrait.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, LOWER_OUTER_LIP, UPPER_INNER_LIP, UPPER_OUTER_LIP
from styletalk_core.rendering.portrait.person_mask import fill_in
from styletalk_core.rendering.raster.opening import smooth_curve

_OPEN: Final = 0.075
"""Minimum lip gap at which a photo can show teeth, in inter-ocular distances."""
_RANGE: Final = 0.22
"""Difference in whiteness between the teeth and the mouth behind them, relative to the lightness of the cheeks."""
_REDNESS: Final = 1.2
"""Whiteness is lightness minus this times redness (CIE a*); gums and tongue are bright, too, but red."""
_ABOVE_LIPS: Final = 0.16
"""Difference in whiteness between teeth and lips."""
_MIN_TEETH_SHARE: Final = 0.12
"""Minimum share of teeth in the opening."""
_UPPER_STARTS: Final = 0.45
"""Position between the lips, from 0 upper to 1 lower, above which upper teeth must start."""
_HIDDEN: Final = 0.015
"""Extension of the teeth behind the lips, up to the gum, in inter-ocular distances."""
_GUM_ENDS: Final = 0.10
"""Edge of the gum in the middle of the row; it forms an arch."""
_LIP_SHADOW: Final = 0.012
"""Distance from the lip within which its shadow and blur change the colour of teeth, in inter-ocular distances."""
_END_FADE: Final = 0.02
_TOOTH: Final = 0.06
"""Width of a tooth, inter-ocular distances."""
_NOTCH: Final = 0.012
"""Maximum depth of the notches between teeth; deeper ones are undetected shadows."""
_SEAM: Final = 0.010
_SEAM_SHADE: Final = 0.85
_GUM: Final = np.array([0.66, 0.40, 0.40], np.float32)  # relative to the cheeks


@dataclass(frozen=True, slots=True)
class TeethRow:
    """One row of teeth of a portrait; ``origin`` (2,) px is the position of ``rgba`` in the portrait."""

    rgba: Float  # (h, w, 4), straight alpha 0..1
    origin: Float

    def lay_over(self, image: Float, x: Float, y: Float) -> Float:
        """Blends the teeth over ``image`` (h, w, 3), whose pixels are at x and y (h, w) in the portrait, px."""
        x, y = x - self.origin[0], y - self.origin[1]
        seen = cv2.remap(self.rgba, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(image + (seen[..., :3] - image) * seen[..., 3:], np.float32)


def photo_teeth(image: Image, landmarks: Float, unit: float, cheeks: Float) -> tuple[TeethRow | None, TeethRow | None]:
    """Extracts the upper and lower teeth of a portrait (T, T, 3), each None if the photo shows none.

    Args:
        image: the portrait.
        landmarks: (478, >=2) px.
        unit: inter-ocular distance, px.
        cheeks: (3,) their colour.
    """
    upper, lower = _inner_lips(landmarks)
    if (lower - upper)[:, 1].max() < _OPEN * unit:
        return None, None
    low, window = _window(upper, lower, (_GUM_ENDS + 0.06) * unit)
    patch = image[window].astype(np.float32)
    columns = np.arange(patch.shape[1]) + low[0]
    top, bottom = (np.interp(columns, lip[:, 0], lip[:, 1]) - low[1] for lip in (upper, lower))
    share = (np.arange(len(patch))[:, None] - top) / np.maximum(bottom - top, 1)
    between = (share >= 0) & (share <= 1) & (columns > upper[0, 0]) & (columns < upper[-1, 0])
    teeth = _recognized(patch, between, _lips(landmarks[:, :2] - low, between.shape), cheeks)
    # A column's first run of teeth belongs to the upper row if it begins early enough.
    runs = np.cumsum(np.diff(teeth.astype(np.int8), axis=0, prepend=0) > 0, axis=0)
    starts = np.where(teeth & (runs == 1), share, np.inf).min(axis=0)
    is_upper = teeth & (runs == 1) & (starts < _UPPER_STARTS)
    gum, least = cheeks * _GUM, _MIN_TEETH_SHARE / 2 * between.sum()

    def found(row: Float, lip: Float, down: int) -> TeethRow | None:
        if row.sum() < least:
            return None
        return TeethRow(_continued(patch, row, lip, down, unit, gum), low.astype(np.float32))

    return found(is_upper, top, 1), found(teeth & ~is_upper, bottom, -1)


def _recognized(patch: Float, between: Float, lips: Float, cheeks: Float) -> Float:
    """Return the mask of teeth ``between`` (H, W) the lips of an image (H, W, 3); empty if they may not be teeth."""
    white = _whiteness(patch)
    dark, bright = np.percentile(white[between], (10, 92))
    lightness = float(_whiteness(cheeks.reshape(1, 1, 3))[0, 0])
    above_lips = bright - float(np.median(white[lips & ~between]))
    teeth = between & (white > 0.55 * bright + 0.45 * dark)
    sure = bright - dark >= _RANGE * lightness and above_lips >= _ABOVE_LIPS * lightness
    return teeth if sure and teeth.sum() >= _MIN_TEETH_SHARE * between.sum() else np.zeros_like(teeth)


def _continued(patch: Float, row: Float, lip: Float, down: int, unit: float, gum: Float) -> Float:
    """Completes a row of teeth from end to end and from lip to edge, and continues it behind the lip.

    Args:
        patch: (H, W, 3) image around the mouth.
        row: (H, W) bool, detected teeth.
        lip: (W,) row of the lip edge above the upper or below the lower teeth.
        down: 1 for the upper row, -1 for the lower one.
        unit: inter-ocular distance, px.
        gum: (3,) colour of the gum.
    """
    height, width = row.shape
    columns = np.flatnonzero(row.any(axis=0))
    edges = [np.flatnonzero(row[:, column])[-1 if down > 0 else 0] for column in columns]
    edge = np.interp(np.arange(width), columns, edges)[None].astype(np.float32) * down
    tooth = np.ones((1, 2 * round(_TOOTH / 2 * unit) + 1))
    edge = np.maximum(edge, cv2.morphologyEx(edge, cv2.MORPH_CLOSE, tooth) - _NOTCH * unit)
    edge = cv2.blur(edge, (3, 1))[0] * down
    y = np.arange(height, dtype=np.float32)[:, None]
    behind = (lip - y) * down / unit
    ends = np.minimum(np.arange(width) - columns[0], columns[-1] - np.arange(width)) / (_END_FADE * unit) + 1
    softness = 0.004 * unit + 0.5
    alpha = np.clip((edge - y) * down / softness + 0.5, 0, 1) * np.clip(ends, 0, 1)
    keep = np.clip(-(behind + _LIP_SHADOW) * unit / softness, 0, 1)[..., None]
    colors = patch * keep + fill_in(patch, np.maximum(alpha * keep[..., 0], 1e-4 * row)) * (1 - keep)
    colors += (gum - colors) * np.clip((behind - _HIDDEN) / 0.02, 0, 1)[..., None]
    across = np.clip((2 * np.arange(width) - columns[0] - columns[-1]) / max(np.ptp(columns), 1), -1, 1)
    gum_ends = _HIDDEN + (_GUM_ENDS - _HIDDEN) * np.sqrt(1 - across**2)
    alpha *= np.clip((gum_ends - behind) * unit / softness + 0.5, 0, 1)
    return np.dstack([colors, alpha]).astype(np.float32)


def with_closed_lips(image: Image, landmarks: Float, unit: float) -> Image:
    """Fills the open mouth of a portrait (T, T, 4) with the colour of the line between closed lips.

    Without it, teeth in the photo would be visible between closing lips.
    """
    upper, lower = _inner_lips(landmarks)
    low, window = _window(upper, lower, 0.1 * unit)
    patch = image[window].astype(np.float32)
    inside = np.zeros(patch.shape[:2], np.float32)
    cv2.fillPoly(inside, [(np.vstack([upper, lower[::-1]]) - low).round().astype(np.int32)], 1.0)
    reach = 2 * max(1, round(_SEAM * unit)) + 1
    grown = cv2.dilate(inside, np.ones((reach, reach)))
    lips = _lips(landmarks[:, :2] - low, inside.shape) & (cv2.dilate(grown, np.ones((3, 3))) == 0)
    seam = fill_in(patch[..., :3], lips.astype(np.float32)) * _SEAM_SHADE
    mask = cv2.GaussianBlur(grown, (0, 0), max(0.7, _SEAM * unit / 2))[..., None]
    result = image.copy()
    result[window][..., :3] = (patch[..., :3] + (seam - patch[..., :3]) * mask).round()
    return result


def _inner_lips(landmarks: Float) -> tuple[Float, Float]:
    """Return the upper and lower edges of the opening, each (N, 2) px."""
    upper, lower = (smooth_curve(landmarks[list(lip), :2]) for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
    return upper, lower


def _window(upper: Float, lower: Float, margin: float) -> tuple[Float, tuple[slice, slice]]:
    """Corner (2,) px, and rows and columns, of the image region around the mouth."""
    both = np.vstack([upper, lower])
    low, high = np.maximum(np.floor(both.min(0) - margin), 0).astype(int), np.ceil(both.max(0) + margin).astype(int)
    return low, (slice(low[1], high[1]), slice(low[0], high[0]))


def _lips(points: Float, shape: tuple[int, ...]) -> Float:
    """Return the mask of the lips, including the opening, (H, W) bool."""
    outline = np.vstack([points[list(UPPER_OUTER_LIP)], points[list(LOWER_OUTER_LIP)][::-1]])
    inside = np.zeros(shape, np.uint8)
    cv2.fillPoly(inside, [outline.round().astype(np.int32)], 1)
    return inside > 0


def _whiteness(image: Float) -> Float:
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[..., 0] - _REDNESS * np.maximum(lab[..., 1], 0), np.float32)
