"""Cuts the rows of teeth of a photo.

A row is cut only if it is recognized with certainty: bright, colourless, unbroken from side to side, with an even edge.
Everything else between the lips of a photo is discarded (see `lips.heal_lips`).
Runs on: any thread, once per portrait; pure.
"""

from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.mouth.lips import Lips, whiteness
from styletalk_core.rendering.mouth.teeth import Rows, TeethRow
from styletalk_core.rendering.portrait.push_pull import fill_in

_OPEN: Final = 0.075
"""Minimum lip gap at which a photo can show a row, in inter-ocular distances, like all lengths below."""
_MIN_UNIT: Final = 80
"""Minimum inter-ocular distance of the photo, px."""
_RANGE: Final = 0.22
"""Minimum difference in whiteness between teeth and the mouth behind them, relative to the lightness of the cheeks."""
_ABOVE_LIPS: Final = 0.16
"""Minimum difference in whiteness between teeth and lips, relative to the lightness of the cheeks."""
_UPPER_STARTS: Final = 0.45
"""Position between the lips, from 0 upper to 1 lower, above which upper teeth must start."""
_MIN_WIDTH: Final = 0.5
"""Minimum width of a row, relative to the opening."""
_HEIGHT: Final = 0.035, 0.15
"""Range of the visible height in the middle of a row: less is a fragment, more is two rows that touch."""
_SPACE: Final = 0.02
"""Maximum space between two teeth of a row."""
_MAX_GAPS: Final = 0.12
"""Maximum share of columns without teeth, between the ends of a row."""
_UNEVEN: Final = 0.0045, 0.02
"""Maximum mean and single distance of the cutting edges from a parabola."""
_ROUGH: Final = 0.004
"""Maximum mean depth of the notches between teeth."""
_HIDDEN: Final = 0.01
"""Extension of the teeth behind the lips, up to the gum."""
_GUM_ENDS: Final = 0.10
"""Edge of the gum in the middle of the row; it forms an arch."""
_LIP_SHADOW: Final = 0.012
"""Distance from the lip within which its shadow and blur change the colour of teeth."""
_END_FADE: Final = 0.03
_TOOTH: Final = 0.06
"""Width of a tooth."""
_NOTCH: Final = 0.006
"""Maximum depth of the notches between teeth; deeper ones are undetected shadows."""
_GUM: Final = np.array([0.55, 0.31, 0.31], np.float32)  # relative to the enamel
_ENAMEL_QUANTILE: Final = 0.95


def find_rows(image: Image, landmarks: Float, middle: Float, jaw: Float, unit: float, cheeks: Float) -> Rows:
    """Cuts the rows of teeth that a photo (T, T, 3) shows with certainty.

    Args:
        image: the photo.
        landmarks: (478, >=2) px.
        middle: (2,) px, middle of the lips if they were closed.
        jaw: (2,) px, displacement of the jaw from closed lips.
        unit: inter-ocular distance, px.
        cheeks: (3,) their colour.
    """
    lips = Lips.around(image, landmarks, unit, _GUM_ENDS + 0.06)
    if unit < _MIN_UNIT or lips.gap < _OPEN * unit:
        return Rows(None, None)
    patch = lips.cut(image)
    columns = np.arange(patch.shape[1])
    share = (np.arange(len(patch))[:, None] - lips.top) / np.maximum(lips.bottom - lips.top, 1)
    between = (share >= 0) & (share <= 1) & (columns > lips.upper[0, 0]) & (columns < lips.upper[-1, 0])
    teeth = _recognized(patch, between, lips.inside(between.shape), cheeks)
    # A column's first run of teeth belongs to the upper row if it begins early enough.
    runs = np.cumsum(np.diff(teeth.astype(np.int8), axis=0, prepend=0) > 0, axis=0)
    starts = np.where(teeth & (runs == 1), share, np.inf).min(axis=0)
    is_upper = teeth & (runs == 1) & (starts < _UPPER_STARTS)
    width = float(lips.upper[-1, 0] - lips.upper[0, 0])

    def found(row: Float, lip: Float, down: int, origin: Float) -> TeethRow | None:
        row = _largest(row, round(_SPACE * unit))
        if not _certain(row, width, down, unit):
            return None
        left, top = (lips.corner - origin) / unit
        level = np.quantile(patch[row], _ENAMEL_QUANTILE, axis=0).astype(np.float32)
        rgba = _continued(patch / level, row, lip, down, unit)
        return TeethRow(rgba, float(left), float(top), 1 / unit, level)

    return Rows(
        found(is_upper, lips.top, 1, middle),
        found(teeth & ~is_upper, lips.bottom, -1, middle + jaw),
    )


def _recognized(patch: Float, between: Float, lips: Float, cheeks: Float) -> Float:
    """Return the mask of teeth ``between`` (H, W) the lips of an image (H, W, 3); empty if they may not be teeth."""
    white = whiteness(patch)
    dark, bright = np.percentile(white[between], (10, 92))
    lightness = float(whiteness(cheeks.reshape(1, 1, 3))[0, 0])
    above_lips = bright - float(np.median(white[lips & ~between]))
    teeth = between & (white > 0.55 * bright + 0.45 * dark)
    sure = bright - dark >= _RANGE * lightness and above_lips >= _ABOVE_LIPS * lightness
    return teeth if sure else np.zeros_like(teeth)


def _largest(row: Float, space: int) -> Float:
    """Keeps the largest region of a mask (H, W) bool, connected across at most ``space`` px."""
    joined = cv2.morphologyEx(row.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, space + 1), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    if count < 2:
        return row
    return np.asarray(row & (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())))


def _certain(row: Float, width: float, down: int, unit: float) -> bool:
    """True if a mask (H, W) is a whole row of teeth in an opening ``width`` px wide."""
    columns = np.flatnonzero(row.any(axis=0))
    if len(columns) == 0 or np.ptp(columns) < _MIN_WIDTH * width:
        return False
    heights = row.sum(axis=0)[columns]
    low, high = (limit * unit for limit in _HEIGHT)
    middle = float(np.median(heights[len(heights) // 3 : -len(heights) // 3]))
    ends = _ends(row, columns, down)
    edges = _edges(ends, columns, row.shape[1], down, unit)[columns]
    across = (columns - columns.mean()) / max(float(np.ptp(columns)), 1)
    apart = np.abs(edges - np.polyval(np.polyfit(across, edges, 2), across)) / unit
    even = apart.mean() < _UNEVEN[0] and apart.max() < _UNEVEN[1] and np.abs(ends - edges).mean() < _ROUGH * unit
    whole = 1 - len(columns) / (np.ptp(columns) + 1) < _MAX_GAPS
    return bool(whole and low < middle < high and even)


def _ends(row: Float, columns: Float, down: int) -> Float:
    """Last (or for ``down`` = -1, first) row of a mask (H, W) in each of the ``columns`` (N,)."""
    return np.array([np.flatnonzero(row[:, column])[-1 if down > 0 else 0] for column in columns], np.float32)


def _edges(ends: Float, columns: Float, width: int, down: int, unit: float) -> Float:
    """Cutting edges (W,) of teeth with `_ends` in ``columns``, without notches deeper than `_NOTCH`."""
    edge = np.interp(np.arange(width), columns, ends)[None].astype(np.float32) * down
    tooth = np.ones((1, 2 * round(_TOOTH / 2 * unit) + 1))
    edge = np.maximum(edge, cv2.morphologyEx(edge, cv2.MORPH_CLOSE, tooth) - _NOTCH * unit)
    return np.asarray(cv2.blur(edge, (3, 1))[0] * down, np.float32)


def _continued(patch: Float, row: Float, lip: Float, down: int, unit: float) -> Float:
    """Completes a row of teeth from end to end and from lip to edge, and continues it behind the lip.

    Args:
        patch: (H, W, 3) image around the mouth, relative to the enamel.
        row: (H, W) bool, detected teeth.
        lip: (W,) row of the lip edge above the upper or below the lower teeth.
        down: 1 for the upper row, -1 for the lower one.
        unit: inter-ocular distance, px.

    Returns:
        (H, W, 4) premultiplied.
    """
    height, width = row.shape
    columns = np.flatnonzero(row.any(axis=0))
    edge = _edges(_ends(row, columns, down), columns, width, down, unit)
    y = np.arange(height, dtype=np.float32)[:, None]
    behind = (lip - y) * down / unit
    ends = np.minimum(np.arange(width) - columns[0], columns[-1] - np.arange(width)) / (_END_FADE * unit) + 1
    softness = 0.004 * unit + 0.5
    alpha = np.clip((edge - y) * down / softness + 0.5, 0, 1) * np.clip(ends, 0, 1)
    keep = np.clip(-(behind + _LIP_SHADOW) * unit / softness, 0, 1)[..., None]
    colors = patch * keep + fill_in(patch, np.maximum(alpha * keep[..., 0], 1e-4 * row)) * (1 - keep)
    colors += (_GUM - colors) * np.clip((behind - _HIDDEN) / 0.02, 0, 1)[..., None]
    across = np.clip((2 * np.arange(width) - columns[0] - columns[-1]) / max(np.ptp(columns), 1), -1, 1)
    gum_ends = _HIDDEN + (_GUM_ENDS - _HIDDEN) * np.sqrt(1 - across**2)
    alpha *= np.clip((gum_ends - behind) * unit / softness + 0.5, 0, 1)
    return np.dstack([np.clip(colors, 0, 1.5) * alpha[..., None], alpha]).astype(np.float32)
