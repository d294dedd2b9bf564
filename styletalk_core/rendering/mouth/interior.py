"""Mouth interior of a portrait, drawn between parted lips.

Runs on: worker thread; built once per portrait.
"""

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LEFT_EYE_OUTER, LOWER_INNER_LIP, RIGHT_EYE_OUTER, UPPER_INNER_LIP
from styletalk_core.rendering.mouth.anatomy import JAW, MouthAnatomy
from styletalk_core.rendering.mouth.enamel import cheek_color, enamel_color, sclera_color
from styletalk_core.rendering.mouth.fitting import MouthView, fit
from styletalk_core.rendering.mouth.teeth import Rows
from styletalk_core.rendering.mouth.teeth_bank import row_for
from styletalk_core.rendering.mouth.teeth_row import find_rows
from styletalk_core.rendering.raster.opening import Opening, Patch, open_between, smooth_curve

# Fitted to the mouth interiors of about 60 clips of talking people, relative to their cheeks.
_LOWER_TEETH = 0.74  # relative to the upper teeth
_TONGUE = np.array([1.03, 0.67, 0.69], np.float32)  # relative to the cheeks
_PALATE = np.array([0.22, 0.12, 0.11], np.float32)  # relative to the cheeks
_FULL_LIGHT = 0.14  # lip gap with full light
_MIN_LIGHT, _MAX_LIGHT = 0.48, 1.08  # share of light when the lips start to part, and with full light
_OPAQUE = 0.03  # lip gap at which the mouth interior fully covers the seam of the lips
_PARTED = 0.04  # lip gap of a photo above which the mouth is fitted to it
_BRIGHTEST = 248.0  # grey levels
_FITTED_UNIT = 100.0  # px, inter-ocular distance at which it is fitted
_SOFT_EDGE = 0.5  # px


class MouthInterior:
    """Mouth interior of one portrait."""

    def __init__(
        self,
        image: Image,
        landmarks: Float,
        resting: Float,
        unit: float,
        teeth: Rows | None,
        pixel: float,
        blur: float,
    ) -> None:
        """Prepares the mouth.

        Args:
            image: (T, T, 3) the portrait.
            landmarks: (478, 3) its landmarks, px.
            resting: (478, 3) landmarks with the mouth at rest.
            unit: its inter-ocular distance, px.
            teeth: chosen rows, drawn in place of those that the portrait shows; None if none were chosen.
            pixel: distance between the pixels of a frame, inter-ocular distances.
            blur: standard deviation of the portrait's blur, inter-ocular distances.
        """
        self._unit = unit
        skin = cheek_color(image, landmarks, unit)
        middle = resting_middle(resting[:, :2])
        jaw = (landmarks - resting)[list(JAW), :2].mean(0)
        own = find_rows(image, landmarks, middle, jaw, unit, skin) if teeth is None else Rows(None, None)
        shown = teeth or own
        upper = shown.upper or row_for(landmarks)
        lower = shown.lower or upper.as_lower()
        usual = enamel_color(skin, sclera_color(image, landmarks, unit))
        bright = usual * upper.enamel if own.upper is None else own.upper.enamel
        self._dark = skin * _PALATE
        self._lit = np.stack([skin * _TONGUE, bright * _LOWER_TEETH, bright]).astype(np.float32)
        # The photo's own rows are as blurred as the photo.
        upper, lower = upper if own.upper else upper.blurred(blur), lower if own.lower else lower.blurred(blur)
        self._anatomy = MouthAnatomy(pixel, upper, lower)
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
        )

    def _colors(self, view: MouthView) -> Float:
        """Colours (4, 3) of the parts of a mouth; the less it opens, the less light enters."""
        light = _MIN_LIGHT + (_MAX_LIGHT - _MIN_LIGHT) * min(float(view.gaps.max()) / _FULL_LIGHT, 1.0)
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


def _roll(landmarks: Float) -> float:
    """Return the angle of the line through the eyes of landmarks (478, >=2), rad."""
    across = landmarks[LEFT_EYE_OUTER, :2] - landmarks[RIGHT_EYE_OUTER, :2]
    return float(np.arctan2(across[1], across[0]))


def resting_middle(landmarks: Float) -> Float:
    """Return the middle (2,) of the line between closed lips; landmarks (478, 2)."""
    line = (landmarks[list(UPPER_INNER_LIP)] + landmarks[list(LOWER_INNER_LIP)]) / 2
    return np.array([line[:, 0].mean(), line[3:8, 1].mean()], np.float32)
