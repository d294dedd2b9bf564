"""Mouth interior of a portrait, drawn between parted lips.

Runs on: worker thread; built once per portrait.
"""

import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP
from styletalk_core.rendering.mouth.anatomy import JAW, MouthAnatomy
from styletalk_core.rendering.mouth.teeth_bank import row_for
from styletalk_core.rendering.mouth.teeth_row import find_rows
from styletalk_core.rendering.raster.opening import Opening, Patch

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


class MouthInterior:
    """Mouth interior of one portrait."""

    def __init__(self, image: Image, landmarks: Float, resting: Float, unit: float) -> None:
        """Prepares the mouth.

        Args:
            image: (T, T, 3) the portrait.
            landmarks: (478, 3) its landmarks, px.
            resting: (478, 3) landmarks with the mouth at rest.
            unit: its inter-ocular distance, px.
        """
        self._unit = unit
        skin = cheek_color(image, landmarks, unit)
        constant, share = _ENAMEL_BRIGHTNESS
        light = np.clip(skin / skin.mean() / _TYPICAL_SKIN, 0.5, 1.6) ** _LIGHT_SHARE
        enamel = min(constant + share * skin.mean(), _MAX_BRIGHTNESS) * _ENAMEL * light
        middle, self._half_width = resting_line(resting[:, :2])
        jaw = (landmarks - resting)[list(JAW), :2].mean(0)
        own = find_rows(image, landmarks, middle, jaw, unit, skin)
        upper = own.upper or row_for(landmarks)
        lower = own.lower or upper.as_lower()
        bright = enamel if own.upper is None else own.upper.enamel
        self._dark = skin * _PALATE
        self._lit = np.stack([skin * _TONGUE, bright * _LOWER_TEETH, bright]).astype(np.float32)
        self._anatomy = MouthAnatomy(1 / unit, upper, lower)
        self._origin = np.array([[0, 0, middle[0]], [0, 0, middle[1]]], np.float32)

    def paint(self, opening: Opening, to_source: Float, jaw: Float, lips: Float) -> Patch:
        """Paints the inside of the mouth within ``opening``.

        Args:
            to_source: (2, 3) affine map from output pixels to the portrait's, head motion undone.
            jaw: (2,) displacement of the jaw from rest, inter-ocular distances.
            lips: (2, C, 2) smooth curves of the inner lips in the output, px.
        """
        width = opening.mask.shape[1]
        columns = np.arange(opening.left, opening.left + width)
        edges = np.stack([np.interp(columns, lip[:, 0], lip[:, 1]) for lip in lips]) - opening.top
        row = abs(float(to_source[1, 1])) / self._unit  # inter-ocular distances
        gaps = (edges[1] - edges[0]) * row
        widest = float(gaps.max())
        light = _MIN_LIGHT + (1 - _MIN_LIGHT) * min(widest / _FULL_LIGHT, 1.0)
        colors = np.vstack([self._dark[None], self._dark + (self._lit - self._dark) * np.float32(light)])
        to_window = to_source.copy()
        to_window[:, 2] += to_source[:, :2] @ np.array([opening.left, opening.top], np.float32)
        inside = self._anatomy.paint(
            opening.mask,
            (to_window - self._origin) / self._unit,
            edges,
            row,
            jaw,
            self._half_width / self._unit,
            colors,
        )
        mask = opening.mask * np.clip(gaps / _OPAQUE, 0, 1).astype(np.float32)
        return Patch(opening.left, opening.top, inside, mask)


def cheek_color(image: Image, landmarks: Float, unit: float) -> Float:
    """Return the median cheek colour (3,) of an image (H, W, 3) with landmarks (478, >=2) px."""
    reach = max(1, round(0.04 * unit))
    patches = []
    for x, y in landmarks[list(_CHEEKS), :2].round().astype(int):
        patch = image[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        patches.append(patch.reshape(-1, patch.shape[-1])[:, :3])
    return np.asarray(np.maximum(np.median(np.concatenate(patches), axis=0), 12), np.float32)


def resting_line(landmarks: Float) -> tuple[Float, float]:
    """Return centre (2,) and half width of the line between closed lips; landmarks (478, 2)."""
    line = (landmarks[list(UPPER_INNER_LIP)] + landmarks[list(LOWER_INNER_LIP)]) / 2
    middle = np.array([line[:, 0].mean(), line[3:8, 1].mean()], np.float32)
    return middle, float(np.linalg.norm(line[-1] - line[0])) / 2
