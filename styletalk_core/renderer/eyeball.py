"""The eyeball behind the lids: the portrait's own iris and white, completed where the lids hide them.

The iris moves with the gaze while the corners of the eye stay; the lids are drawn over it by the face mesh.
A portrait with open eyes does not show the skin of its upper lids; `Eyelid` unrolls it when they close.
Runs on: worker thread; built once per portrait.
"""

import cv2
import numpy as np

from styletalk_core.renderer.arrays import Float, Image
from styletalk_core.renderer.face_mesh import Eye
from styletalk_core.renderer.opening import Opening, Patch, open_between, smooth_curve
from styletalk_core.renderer.person_mask import fill_in

EYEBALL_RADIUS = 0.135  # inter-ocular distances (12 mm of 90 mm)
LID_APPEARS = 0.1
"""How far an eye has closed when its lid begins to be drawn."""
_LID_SHADOW = 0.35
_BROW, _MAKE_UP = 0.82, 0.5  # of the brightness around the eye
_CORNER_FADE = 0.3  # share of the eye's width


class Eyeball:
    """One eye of a portrait, drawn at any gaze."""

    def __init__(self, picture: Image, landmarks: Float, eye: Eye, unit: float) -> None:
        """``picture`` (T, T, 3) RGB and ``landmarks`` (478, 3) in its pixels, ``unit`` its inter-ocular distance."""
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
        patch = picture[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        self._texture = self._complete(patch, landmarks[:, :2] - self._origin, eye)

    def _complete(self, patch: Float, landmarks: Float, eye: Eye) -> Image:
        """Continues iris and white behind the lids."""
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
        # The hidden part of the iris shows what lies at the same height on its other side, mirrored up and down.
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

    def paint(self, opening: Opening, to_source: Float, gaze: Float, closing: float) -> Patch:
        """The eyeball as ``opening`` shows it.

        Args:
            to_source: (2, 3) affine map from output pixels to the portrait's, the head's motion undone.
            gaze: (2,) yaw and pitch of the eye, radians.
            closing: 0 lids as in the portrait .. 1 closed; the lid's shadow grows with it.
        """
        x, y = opening.grid()
        source_x = to_source[0, 0] * x + to_source[0, 1] * y + to_source[0, 2]
        source_y = to_source[1, 0] * x + to_source[1, 1] * y + to_source[1, 2]
        shift = EYEBALL_RADIUS * self._unit * np.sin(gaze)
        # The iris moves as a whole, the white stretches between it and the corners of the eye.
        distance = np.hypot(source_x - self._center[0] - shift[0], (source_y - self._center[1] - shift[1]))
        fall = np.clip((distance - self._radius) / (1.25 * self._half_width - self._radius), 0, 1)
        follow = 1 - fall * fall * (3 - 2 * fall)
        source_x -= self._origin[0] + shift[0] * follow
        source_y -= self._origin[1] + shift[1] * follow
        eye = cv2.remap(self._texture, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        depth = max(1.0, 0.016 * self._unit * abs(1 / to_source[0, 0]))
        lit = cv2.GaussianBlur(opening.mask, (0, 0), depth) * 2 - 1
        shade = 1 - _LID_SHADOW * min(1.0, closing) * (1 - np.clip(lit, 0, 1))
        return Patch(opening.window, eye * shade[..., None], opening.mask)


class Eyelid:
    """The upper lid of one eye: smooth skin that appears below the fold as the eye closes, lashes at its edge."""

    def __init__(self, picture: Image, landmarks: Float, eye: Eye, unit: float) -> None:
        """Arguments as of `Eyeball`."""
        self._unit = unit
        points = landmarks[:, :2]
        upper, lower = (smooth_curve(points[list(lid)]) for lid in (eye.upper_lid, eye.lower_lid))
        fold = points[list(eye.upper_fold)]
        margin = round(0.14 * unit)
        corners = np.vstack([upper, lower, fold])
        low = np.maximum(np.floor(corners.min(0)).astype(int) - margin, 0)
        high = np.ceil(corners.max(0)).astype(int) + margin
        self._origin = low.astype(np.float32)
        patch = picture[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        hidden = np.zeros(patch.shape[:2], np.uint8)
        outline = np.vstack([upper[:1], fold, upper[-1:], lower[::-1]]) - self._origin
        cv2.fillPoly(hidden, [np.round(outline * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
        reach = 2 * max(2, round(0.022 * unit)) + 1
        skin = 1 - cv2.dilate(hidden, np.ones((reach, reach), np.uint8)).astype(np.float32) / 255
        # Brows and hair are no lid: above the fold only what is about as bright as the brighter half of the
        # surroundings counts. Beside the eye dark skin is make-up, which the lid wears as well.
        brightness = patch.mean(-1)
        typical = np.median(brightness[skin > 0.5]) if (skin > 0.5).any() else brightness.mean()
        least = np.where(np.arange(len(patch)) < fold[:, 1].min() - low[1], _BROW, _MAKE_UP)[:, None]
        skin *= (brightness > least * typical).astype(np.float32)
        self._texture = fill_in(patch, skin).clip(0, 255)
        self._lash = np.float32(0.22) * self._texture.mean((0, 1))

    def paint(self, fold: Float, lid: Float, maps: Float, closing: float) -> Patch | None:
        """The lid between its fold and its edge, curves (N, 2) px of the output; None while the eye is open.

        ``maps`` (2, H, W) are the backward maps of the skin around the eye; ``closing`` is 0 open .. 1 closed.
        """
        share = float(np.clip((closing - LID_APPEARS) / 0.6, 0, 1))
        opening = open_between(fold, lid, maps.shape[1], softness=max(0.5, 0.006 * self._unit))
        if share == 0 or opening is None:
            return None
        rows, columns = opening.window
        x = np.clip(maps[0][rows, columns] - self._origin[0], 0, self._texture.shape[1] - 1)
        y = np.clip(maps[1][rows, columns] - self._origin[1], 0, self._texture.shape[0] - 1)
        skin = cv2.remap(self._texture, x, y, cv2.INTER_LINEAR)
        # Rounded over the eyeball: lighter in the middle, darker in the fold and at the lashes.
        grid_x, grid_y = opening.grid()
        edge, crease = (np.interp(grid_x[0], *_ordered(curve)).astype(np.float32) for curve in (lid, fold))
        depth = np.clip((grid_y - crease) / np.maximum(edge - crease, 1), 0, 1)
        skin *= (0.86 + 0.10 * np.sin(np.pi * depth))[..., None]
        lash = np.exp(-(((grid_y - edge + 0.004 * self._unit) / (0.009 * self._unit)) ** 2))[..., None] * 0.75
        skin += (self._lash - skin) * lash
        # The skin fades into the photo towards the fold and the corners of the eye.
        ends = np.minimum(grid_x - lid[:, 0].min(), lid[:, 0].max() - grid_x) / (_CORNER_FADE * np.ptp(lid[:, 0]))
        fade = np.clip(depth / 0.6, 0, 1) * np.clip(ends, 0, 1)
        return Patch(opening.window, skin, opening.mask * share * fade * fade * (3 - 2 * fade))


def _ordered(curve: Float) -> tuple[Float, Float]:
    points = smooth_curve(curve)
    return points[:, 0], points[:, 1]
