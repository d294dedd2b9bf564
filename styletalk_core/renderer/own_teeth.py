"""The teeth that a photo itself shows: kept where its mouth is open, so that a smile stays the person's own.

The bright, colourless places between the lips are teeth: those that begin near the upper lip are fixed to the head,
the others to the jaw.
Runs on: worker thread; built once per portrait.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.renderer.arrays import Float, Image
from styletalk_core.renderer.face_mesh import LOWER_INNER_LIP, LOWER_OUTER_LIP, UPPER_INNER_LIP, UPPER_OUTER_LIP
from styletalk_core.renderer.opening import smooth_curve
from styletalk_core.renderer.person_mask import fill_in

_OPEN: Final = 0.075
"""Inter-ocular distances between the lips from which a photo can show teeth."""
_RANGE: Final = 0.22
"""Difference in whiteness between teeth and what is behind them, shares of the cheeks' lightness."""
_REDNESS: Final = 1.2
"""Whiteness is lightness less this times redness (CIE a*): gums and tongue are bright too, but red."""
_ABOVE_LIPS: Final = 0.16
"""The same between teeth and lips."""
_LEAST: Final = 0.12
"""Share of the opening that is teeth, if there are any."""
_UPPER_STARTS: Final = 0.45
"""Share of the way from lip to lip by which the upper teeth have begun."""
_HIDDEN: Final = 0.035
"""Inter-ocular distances by which the teeth go on behind the lips, before the gum begins."""
_GUM_ENDS: Final = 0.10
_GUM: Final = np.array([0.66, 0.40, 0.40], np.float32)  # of the cheeks


@dataclass(frozen=True, slots=True)
class TeethRow:
    """One row of a portrait's own teeth; ``origin`` (2,) px is where its picture lies in the portrait."""

    rgba: Float  # (h, w, 4), straight alpha 0..1
    origin: Float

    def lay_over(self, picture: Float, x: Float, y: Float) -> Float:
        """``picture`` (h, w, 3) with the teeth over it; x and y (h, w) are its places in the portrait, px."""
        x, y = x - self.origin[0], y - self.origin[1]
        seen = cv2.remap(self.rgba, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(picture + (seen[..., :3] - picture) * seen[..., 3:], np.float32)


def own_teeth(picture: Image, landmarks: Float, unit: float, cheeks: Float) -> tuple[TeethRow | None, TeethRow | None]:
    """Upper and lower teeth of a portrait (T, T, 3), each None where the photo shows none.

    Args:
        picture: the portrait.
        landmarks: (478, >=2) px.
        unit: inter-ocular distance, px.
        cheeks: (3,) their colour.
    """
    upper, lower = (smooth_curve(landmarks[list(lip), :2]) for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
    if (lower - upper)[:, 1].max() < _OPEN * unit:
        return None, None
    margin = (_GUM_ENDS + 0.06) * unit
    low = np.maximum(np.floor(np.vstack([upper, lower]).min(0) - margin), 0).astype(int)
    high = np.ceil(np.vstack([upper, lower]).max(0) + margin).astype(int)
    patch = picture[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    height, width = patch.shape[:2]
    columns = np.arange(width) + low[0]
    top, bottom = (np.interp(columns, lip[:, 0], lip[:, 1]) - low[1] for lip in (upper, lower))
    rows = np.arange(height)[:, None]
    share = (rows - top) / np.maximum(bottom - top, 1)
    between = (share >= 0) & (share <= 1) & (columns > upper[0, 0]) & (columns < upper[-1, 0])

    white = _whiteness(patch)
    dark, bright = np.percentile(white[between], (10, 92))
    lips = float(np.median(white[_lips(landmarks[:, :2] - low, white.shape) & ~between]))
    lightness = float(_whiteness(cheeks.reshape(1, 1, 3))[0, 0])
    if bright - dark < _RANGE * lightness or bright - lips < _ABOVE_LIPS * lightness:
        return None, None
    teeth = between & (white > 0.55 * bright + 0.45 * dark)
    if teeth.sum() < _LEAST * between.sum():
        return None, None
    # A column's first run of teeth belongs to the upper row if it begins early enough.
    runs = np.cumsum(np.diff(teeth.astype(np.int8), axis=0, prepend=0) > 0, axis=0)
    starts = np.where(teeth & (runs == 1), share, np.inf).min(axis=0)
    is_upper = teeth & (runs == 1) & (starts < _UPPER_STARTS)
    gum = cheeks * _GUM
    is_lower = teeth & ~is_upper
    above = np.where(is_upper, rows, height).min(axis=0) - rows
    below = rows - np.where(is_lower, rows, -1).max(axis=0)

    def found(row: Float, behind: Float) -> TeethRow | None:
        if row.sum() < _LEAST / 2 * between.sum():
            return None
        return TeethRow(_continued(patch, row, behind / unit, gum, max(0.7, 0.006 * unit)), low.astype(np.float32))

    return found(is_upper, above), found(is_lower, below)


def _continued(patch: Float, row: Float, behind: Float, gum: Float, softness: float) -> Float:
    """The teeth ``row`` (H, W) of a picture (H, W, 3), continued where it lies ``behind`` (H, W) > 0 the lip."""
    known = np.maximum(cv2.erode(row.astype(np.float32), np.ones((3, 3))), 1e-3 * row)
    keep = cv2.GaussianBlur(row.astype(np.float32), (0, 0), softness)[..., None]
    colors = patch * keep + fill_in(patch, known) * (1 - keep)
    colors += (gum - colors) * np.clip((behind - _HIDDEN) / 0.02, 0, 1)[..., None]
    hidden = (behind > 0) & (behind < _GUM_ENDS) & row.any(axis=0)
    alpha = cv2.GaussianBlur((row | hidden).astype(np.float32), (0, 0), softness)
    return np.dstack([colors, alpha]).astype(np.float32)


def _lips(points: Float, shape: tuple[int, ...]) -> Float:
    """Where the lips are, opening included, (H, W) bool."""
    outline = np.vstack([points[list(UPPER_OUTER_LIP)], points[list(LOWER_OUTER_LIP)][::-1]])
    inside = np.zeros(shape, np.uint8)
    cv2.fillPoly(inside, [outline.round().astype(np.int32)], 1)
    return inside > 0


def _whiteness(picture: Float) -> Float:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[..., 0] - _REDNESS * np.maximum(lab[..., 1], 0), np.float32)
