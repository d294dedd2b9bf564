"""Mouth interior of a portrait, drawn between parted lips.

Runs on: worker thread; built once per portrait.
"""

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LEFT_EYE_OUTER, LOWER_INNER_LIP, RIGHT_EYE_OUTER, UPPER_INNER_LIP
from styletalk_core.rendering.mouth.anatomy import JAW, MouthAnatomy
from styletalk_core.rendering.mouth.fitting import MouthView, fit
from styletalk_core.rendering.mouth.teeth import Rows
from styletalk_core.rendering.mouth.teeth_bank import row_for
from styletalk_core.rendering.mouth.teeth_row import find_rows
from styletalk_core.rendering.raster.opening import Opening, Patch, open_between, smooth_curve

_CHEEKS = (50, 280, 205, 425)
# Fitted to the mouth interiors of about 60 clips of talking people, relative to their cheeks.
_ENAMEL = np.array([1.06, 0.98, 0.89], np.float32)
_ENAMEL_BRIGHTNESS = (55.0, 1.15)  # grey levels: constant, share of the cheek brightness
_MAX_BRIGHTNESS = 238.0
_LOWER_TEETH = 0.85  # relative to the upper teeth
_TONGUE = np.array([0.95, 0.60, 0.62], np.float32)  # relative to the cheeks
_PALATE = np.array([0.22, 0.12, 0.11], np.float32)  # relative to the cheeks
_TYPICAL_SKIN = np.array([1.25, 0.98, 0.80], np.float32)  # relative to its mean
_LIGHT_SHARE = 0.25  # share of a deviation from typical skin that is due to the light rather than the complexion
_FULL_LIGHT, _MIN_LIGHT = 0.12, 0.25  # lip gap with full light; share of light when the lips start to part
_OPAQUE = 0.03  # lip gap at which the mouth interior fully covers the seam of the lips
_PARTED = 0.04  # lip gap of a photo above which the mouth is fitted to it
_BRIGHTEST = 248.0  # grey levels
_FITTED_UNIT = 100.0  # px, inter-ocular distance at which it is fitted
_SOFT_EDGE = 0.5  # px


class MouthInterior:
    """Mouth interior of one portrait."""

    def __init__(self, image: Image, landmarks: Float, resting: Float, unit: float, teeth: Rows | None = None) -> None:
        """Prepares the mouth.

        Args:
            image: (T, T, 3) the portrait.
            landmarks: (478, 3) its landmarks, px.
            resting: (478, 3) landmarks with the mouth at rest.
            unit: its inter-ocular distance, px.
            teeth: chosen rows, drawn in place of those that the portrait shows.
        """
        self._unit = unit
        skin = cheek_color(image, landmarks, unit)
        middle, self._half_width = resting_line(resting[:, :2])
        jaw = (landmarks - resting)[list(JAW), :2].mean(0)
        own = find_rows(image, landmarks, middle, jaw, unit, skin) if teeth is None else Rows(None, None)
        shown = teeth or own
        upper = shown.upper or row_for(landmarks)
        lower = shown.lower or upper.as_lower()
        bright = usual_enamel(skin) * upper.enamel if own.upper is None else own.upper.enamel
        self._dark = skin * _PALATE
        self._lit = np.stack([skin * _TONGUE, bright * _LOWER_TEETH, bright]).astype(np.float32)
        self._anatomy = MouthAnatomy(1 / unit, upper, lower)
        # The photo's own rows were cut along its rows of pixels, all others are level with the eyes.
        roll = 0.0 if own.upper or own.lower else _roll(landmarks)
        self._axes = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]], np.float32) / unit
        self._middle = middle
        self._fit_to(image, landmarks, jaw / unit, own)

    def paint(self, opening: Opening, to_source: Float, jaw: Float, lips: Float) -> Patch:
        """Paints the inside of the mouth within ``opening``.

        Args:
            to_source: (2, 3) affine map from output pixels to the portrait's, head motion undone.
            jaw: (2,) displacement of the jaw from rest, inter-ocular distances.
            lips: (2, C, 2) smooth curves of the inner lips in the output, px.
        """
        view = self._view(opening, to_source, jaw, lips)
        inside = view.painted(self._anatomy, self._colors(view))
        mask = opening.mask * np.clip(view.gaps / _OPAQUE, 0, 1)
        return Patch(opening.left, opening.top, inside, mask)

    def _view(self, opening: Opening, to_source: Float, jaw: Float, lips: Float) -> MouthView:
        """The mouth in an image; arguments as of `paint`."""
        columns = np.arange(opening.left, opening.left + opening.mask.shape[1])
        edges = np.stack([np.interp(columns, lip[:, 0], lip[:, 1]) for lip in lips]) - opening.top
        places = to_source.copy()
        places[:, 2] += to_source[:, :2] @ np.array([opening.left, opening.top], np.float32) - self._middle
        return MouthView(
            visible=opening.mask,
            places=self._axes @ places,
            lips=edges,
            distance=abs(float(to_source[1, 1])) / self._unit,
            jaw=self._axes @ jaw * np.float32(self._unit),
            half_width=self._half_width / self._unit,
        )

    def _colors(self, view: MouthView) -> Float:
        """Colours (4, 3) of the parts of a mouth; the less it opens, the less light enters."""
        light = _MIN_LIGHT + (1 - _MIN_LIGHT) * min(float(view.gaps.max()) / _FULL_LIGHT, 1.0)
        return np.vstack([self._dark[None], self._dark + (self._lit - self._dark) * np.float32(light)])

    def _fit_to(self, image: Image, landmarks: Float, jaw: Float, own: Rows) -> None:
        """Adapts teeth and light to an image (T, T, 3) that shows the mouth open; arguments as of `__init__`."""
        step = self._unit / _FITTED_UNIT
        small = cv2.resize(image, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
        edges = [
            (landmarks[list(lip), :2] + 0.5) / np.float32(step) - np.float32(0.5)
            for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP)
        ]
        lips = np.stack([smooth_curve(edge) for edge in edges])
        opening = open_between(lips[0], lips[1], len(small), _SOFT_EDGE)
        if opening is None or (lips[1] - lips[0])[:, 1].max() < _PARTED * _FITTED_UNIT:
            return
        back = (step - 1) / 2
        view = self._view(opening, np.array([[step, 0, back], [0, step, back]], np.float32), jaw, lips)
        shown = Patch(opening.left, opening.top, small, opening.mask).window
        photo = small[shown].astype(np.float32)
        fitted = fit(self._anatomy, view, photo, self._colors(view), own.upper is not None, own.lower is not None)
        self._anatomy = fitted.anatomy
        self._dark = self._dark * fitted.light[0]
        self._lit = np.minimum(self._lit * fitted.light[1:], _BRIGHTEST)


def usual_enamel(skin: Float) -> Float:
    """Return the usual colour (3,) of brightly lit teeth beside cheeks of the colour ``skin`` (3,), grey levels."""
    constant, share = _ENAMEL_BRIGHTNESS
    light = np.clip(skin / skin.mean() / _TYPICAL_SKIN, 0.5, 1.6) ** _LIGHT_SHARE
    return np.asarray(min(constant + share * skin.mean(), _MAX_BRIGHTNESS) * _ENAMEL * light, np.float32)


def cheek_color(image: Image, landmarks: Float, unit: float) -> Float:
    """Return the median cheek colour (3,) of an image (H, W, 3) with landmarks (478, >=2) px."""
    reach = max(1, round(0.04 * unit))
    patches = []
    for x, y in landmarks[list(_CHEEKS), :2].round().astype(int):
        patch = image[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        patches.append(patch.reshape(-1, patch.shape[-1])[:, :3])
    return np.asarray(np.maximum(np.median(np.concatenate(patches), axis=0), 12), np.float32)


def _roll(landmarks: Float) -> float:
    """Return the angle of the line through the eyes of landmarks (478, >=2), rad."""
    across = landmarks[LEFT_EYE_OUTER, :2] - landmarks[RIGHT_EYE_OUTER, :2]
    return float(np.arctan2(across[1], across[0]))


def resting_line(landmarks: Float) -> tuple[Float, float]:
    """Return centre (2,) and half width of the line between closed lips; landmarks (478, 2)."""
    line = (landmarks[list(UPPER_INNER_LIP)] + landmarks[list(LOWER_INNER_LIP)]) / 2
    middle = np.array([line[:, 0].mean(), line[3:8, 1].mean()], np.float32)
    return middle, float(np.linalg.norm(line[-1] - line[0])) / 2
