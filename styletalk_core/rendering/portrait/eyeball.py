"""Eyeball behind the lids: the portrait's own iris and sclera, completed where the lids hide them.

The iris moves with the gaze while the corners of the eye are fixed; the face mesh draws the lids over it. A portrait
with open eyes does not show the skin of its upper lids; `Eyelid` synthesizes it as the eyes close.
Runs on: worker thread; built once per portrait.
"""

from typing import Any

import cv2
import numba
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import Eye
from styletalk_core.rendering.portrait.push_pull import fill_in
from styletalk_core.rendering.raster.opening import Opening, Patch, smooth_curve
from styletalk_core.rendering.raster.sampling import sample

EYEBALL_RADIUS = 0.135  # inter-ocular distances (12 mm of 90 mm)
LID_APPEARS = 0.1
"""Minimum eye closure at which the lid is drawn."""
_LID_SHADOW = 0.35
_BROW, _MAKE_UP = 0.82, 0.5  # relative to the brightness around the eye
_CORNER_FADE = 0.3  # relative to the width of the eye
_CREASE = 0.16  # darkness of the fold above a closed lid
_SHUT = 0.02
"""Gap between the lids up to which a photo shows no eyeball, inter-ocular distances, like all lengths below."""
LASHES = 0.012
"""Distance below the edge of a lid to which its lashes reach."""
_LASH_LINE, _LASH_SOFT = 0.0055, 0.0015
"""Standard deviation of the line of the lashes, and its distance below the edge of the lid."""
_LASH_SHARE = 0.8
_LASH_DARK, _LASH_BAND = 15.0, 0.018
"""Percentile of the brightness above the edge of the lid that the lashes have, and the height of this band."""
_GRAIN, _FINEST = 7.0, 0.012  # skin grain: maximum, grey levels; size, inter-ocular distances
_compiled = numba.njit(nogil=True, cache=True, fastmath=True)


class Eyeball:
    """One eye of a portrait, drawn at any gaze."""

    def __init__(self, image: Image, landmarks: Float, eye: Eye, unit: float) -> None:
        """Args: image: (T, T, 3) RGB; landmarks: (478, 3) px; eye: which eye; unit: inter-ocular distance, px."""
        self._unit = unit
        lids = np.vstack([landmarks[list(eye.upper_lid), :2], landmarks[list(eye.lower_lid), :2]])
        iris = landmarks[list(eye.iris), :2]
        self._center = iris[0]
        self._radius = float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean())
        self._half_width = float(np.linalg.norm(lids[8] - lids[0])) / 2
        margin = round(0.09 * unit)
        low = np.maximum(np.floor(lids.min(0)).astype(int) - margin, 0)
        high = np.ceil(lids.max(0)).astype(int) + margin
        self._origin = low.astype(np.float32)
        patch = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        self._texture = self._complete(patch, landmarks[:, :2] - self._origin, eye)

    def _complete(self, patch: Float, landmarks: Float, eye: Eye) -> Image:
        """Completes iris and sclera behind the lids."""
        height, width = patch.shape[:2]
        upper, lower = (smooth_curve(landmarks[list(lid)]) for lid in (eye.upper_lid, eye.lower_lid))
        visible = np.zeros((height, width), np.uint8)
        outline = np.vstack([upper, lower[::-1]])
        cv2.fillPoly(visible, [np.round(outline * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
        lash = max(1, round(0.008 * self._unit))
        inner = cv2.erode(visible, np.ones((2 * lash + 1, 1), np.uint8)).astype(np.float32) / 255
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        center = self._center - self._origin
        distance = np.hypot(x - center[0], y - center[1]) / self._radius
        white = fill_in(patch, inner * (distance > 1.12))
        # The hidden part of the iris is filled with its visible part, mirrored vertically.
        mirrored = cv2.remap(patch, x, 2 * center[1] - y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mirrored_inner = cv2.remap(inner, x, 2 * center[1] - y, cv2.INTER_LINEAR)
        disc = (distance < 1.02).astype(np.float32)
        known = np.maximum(inner, 1e-3 * mirrored_inner) * disc
        iris = np.where((inner > 0.5)[..., None], patch, mirrored)
        iris = iris * (known > 0)[..., None] + fill_in(iris, (known > 0).astype(np.float32)) * (known <= 0)[..., None]
        rim = np.clip((1.06 - distance) / 0.1, 0, 1)[..., None]
        completed = white + (iris - white) * rim
        shown = cv2.GaussianBlur(inner, (0, 0), 0.8)[..., None]
        return np.asarray((patch * shown + completed * (1 - shown)).clip(0, 255).round(), np.uint8)

    @classmethod
    def of(cls, image: Image, landmarks: Float, eye: Eye, unit: float) -> "Eyeball | None":
        """The eyeball that an image shows; None if the eye is shut; arguments as of `__init__`."""
        gaps = landmarks[list(eye.lower_lid), 1] - landmarks[list(eye.upper_lid), 1]
        return cls(image, landmarks, eye, unit) if gaps.max() > _SHUT * unit else None

    def paint(self, opening: Opening, to_source: Float, gaze: Float, closing: float) -> Patch:
        """Paints the eyeball within ``opening``.

        Args:
            to_source: (2, 3) affine map from output pixels to the portrait's, head motion undone.
            gaze: (2,) yaw and pitch of the eye, radians.
            closing: 0 lids as in the portrait .. 1 closed; the lid's shadow grows with it.
        """
        shift = np.float32(EYEBALL_RADIUS * self._unit) * np.sin(gaze)
        lit = opening.mask
        if closing > 0:
            depth = max(1.0, 0.016 * self._unit * abs(1 / float(to_source[0, 0])))
            lit = cv2.GaussianBlur(opening.mask, (0, 0), depth)
        color = _eyeball(
            opening.mask,
            lit,
            opening.left,
            opening.top,
            to_source,
            self._texture,
            self._origin,
            self._center + shift,
            shift,
            self._radius,
            1.25 * self._half_width - self._radius,
            _LID_SHADOW * min(1.0, float(closing)),
        )
        return Patch(opening.left, opening.top, color, opening.mask)


@_compiled
def _eyeball(
    mask: Any,
    lit: Any,
    left: int,
    top: int,
    to_source: Any,
    texture: Any,
    origin: Any,
    center: Any,
    shift: Any,
    radius: float,
    reach: float,
    shadow: float,
) -> Any:
    """Colours (h, w, 3) of an eyeball whose iris of ``radius`` is moved by ``shift`` to ``center``.

    The iris moves rigidly; the sclera stretches between it and the eye corners, ``reach`` farther out. Near a lid,
    where the blurred mask ``lit`` (h, w) is low, the colours are darker by up to ``shadow``.
    """
    color, pixel = np.zeros((*mask.shape, 3), np.float32), np.empty(3, np.float32)
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            if mask[row, column] <= 0:
                continue
            x = to_source[0, 0] * (left + column) + to_source[0, 1] * (top + row) + to_source[0, 2]
            y = to_source[1, 0] * (left + column) + to_source[1, 1] * (top + row) + to_source[1, 2]
            fall = (np.sqrt((x - center[0]) ** 2 + (y - center[1]) ** 2) - radius) / reach
            fall = min(max(fall, 0.0), 1.0)
            follow = 1 - fall * fall * (3 - 2 * fall)
            light = 1 - shadow * min(max(2 - 2 * lit[row, column], 0.0), 1.0)
            sample(texture, x - origin[0] - shift[0] * follow, y - origin[1] - shift[1] * follow, pixel)
            for k in range(3):
                color[row, column, k] = pixel[k] * light
    return color


class Eyelid:
    """The upper lid of one eye: smooth skin that appears below the fold as the eye closes, lashes at its edge."""

    def __init__(self, image: Image, landmarks: Float, eye: Eye, unit: float) -> None:
        """Args: see `Eyeball`."""
        self._unit = unit
        points = landmarks[:, :2]
        upper, lower = (smooth_curve(points[list(lid)]) for lid in (eye.upper_lid, eye.lower_lid))
        fold = points[list(eye.upper_fold)]
        margin = round(0.14 * unit)
        corners = np.vstack([upper, lower, fold])
        low = np.maximum(np.floor(corners.min(0)).astype(int) - margin, 0)
        high = np.ceil(corners.max(0)).astype(int) + margin
        self._origin = low.astype(np.float32)
        patch = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        hidden = np.zeros(patch.shape[:2], np.uint8)
        outline = np.vstack([upper[:1], fold, upper[-1:], lower[::-1]]) - self._origin
        cv2.fillPoly(hidden, [np.round(outline * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
        reach = 2 * max(2, round(0.022 * unit)) + 1
        skin = 1 - cv2.dilate(hidden, np.ones((reach, reach), np.uint8)).astype(np.float32) / 255
        # Exclude eyebrows and hair: above the fold, only pixels about as bright as the brighter half of the
        # surroundings are used. Dark skin next to the eye is make-up, which the lid has as well.
        brightness = patch.mean(-1)
        typical = np.median(brightness[skin > 0.5]) if (skin > 0.5).any() else brightness.mean()
        least = np.where(np.arange(len(patch)) < fold[:, 1].min() - low[1], _BROW, _MAKE_UP)[:, None]
        skin *= (brightness > least * typical).astype(np.float32)
        smooth = fill_in(patch, skin)
        self._texture = (smooth + _grain(image, low, high, unit)).clip(0, 255)
        self._lash = _lash_color(patch, upper - self._origin, unit)

    def paint(self, opening: Opening, edge: Float, crease: Float, maps: Float, closing: float) -> Patch:
        """Paints the lid between its fold and its edge.

        Args:
            opening: region between fold and edge.
            edge, crease: (C, 2) smooth curves, px of the output.
            maps: (2, h, w) backward maps of the skin around the eye, in the window of the opening.
            closing: `LID_APPEARS` .. 1 closed.
        """
        share = min((closing - LID_APPEARS) / 0.6, 1.0)
        color, mask = _eyelid(
            opening.mask, opening.left, opening.top, maps, self._texture, self._origin, edge, crease, self._lash,
            self._unit, share,
        )  # fmt: skip
        return Patch(opening.left, opening.top, color, mask)


@_compiled
def _eyelid(
    visible: Any,
    left: int,
    top: int,
    maps: Any,
    texture: Any,
    origin: Any,
    edge: Any,
    crease: Any,
    lashes: Any,
    unit: float,
    share: float,
) -> Any:
    """Colours (h, w, 3) and opacity (h, w) of a lid; the opacity is ``visible``, limited to ``share``."""
    height, width = visible.shape
    color, mask = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    pixel, columns = np.empty(3, np.float32), np.arange(left, left + width)
    edges = np.interp(columns, edge[:, 0], edge[:, 1])
    creases = np.interp(columns, crease[:, 0], crease[:, 1])
    first, last = edge[:, 0].min(), edge[:, 0].max()
    crease_shade = np.float32(_CREASE * share)
    for row in range(height):
        for column in range(width):
            if visible[row, column] <= 0:
                continue
            y, end = np.float32(top + row), np.float32(edges[column])
            depth = (y - creases[column]) / max(end - creases[column], 1.0)
            below = max(y - end, np.float32(0))
            depth = min(max(depth, 0.0), 1.0)
            sample(texture, maps[0, row, column] - origin[0], maps[1, row, column] - origin[1], pixel)
            # Rounded over the eyeball: lighter in the middle, darker in the fold and at the lashes.
            round_light = 0.86 + 0.10 * np.sin(np.pi * depth) - crease_shade * np.exp(-((depth / 0.16) ** 2))
            lash = _LASH_SHARE * np.exp(-(((y - end - _LASH_SOFT * unit) / (_LASH_LINE * unit)) ** 2) / 2)
            solid = lash if below > 0 else np.float32(1)
            for k in range(3):
                shown = pixel[k] * round_light
                color[row, column, k] = lashes[k] if below > 0 else shown + (lashes[k] - shown) * lash
            # The skin fades into the photo towards the fold and the corners of the eye.
            ends = min(left + column - first, last - left - column) / (_CORNER_FADE * (last - first))
            fade = min(depth / 0.6, 1.0) * min(max(ends, 0.0), 1.0)
            mask[row, column] = solid * visible[row, column] * share * fade * fade * (3 - 2 * fade)
    return color, mask


def _lash_color(patch: Float, edge: Float, unit: float) -> Float:
    """Colour (3,) of the lashes of an open eye in an image (h, w, 3); ``edge`` (C, 2) is that of its upper lid, px."""
    band = np.zeros(patch.shape[:2], np.uint8)
    width = max(2, round(_LASH_BAND * unit))
    middle = slice(len(edge) // 6, -len(edge) // 6)
    above = edge[middle] - np.array([0, width / 2], np.float32)
    cv2.polylines(band, [above.round().astype(np.int32)], False, 1, thickness=width)
    pixels = patch[band > 0]
    brightness = pixels.mean(axis=1)
    return np.asarray(pixels[brightness <= np.percentile(brightness, _LASH_DARK)].mean(axis=0), np.float32)


def _grain(image: Image, low: Float, high: Float, unit: float) -> Float:
    """Grain (h, w, 3) of the skin below the window from ``low`` to ``high`` (2,) px, for a lid that has none."""
    height, width = high[1] - low[1], high[0] - low[0]
    top = int(min(low[1] + height, max(image.shape[0] - height, 0)))
    left = int(low[0])
    skin = image[top : top + height, left : left + width].astype(np.float32)
    if skin.shape[:2] != (height, width):
        return np.zeros((height, width, 3), np.float32)
    fine = skin - cv2.GaussianBlur(skin, (0, 0), max(1.0, _FINEST * unit))
    level = fine.mean(axis=-1, keepdims=True)
    return np.asarray(np.repeat(level.clip(-_GRAIN, _GRAIN), 3, axis=-1), np.float32)
