"""The inside of a portrait's mouth, drawn where the lips are apart.

Runs on: worker thread; built once per portrait.
"""

import numpy as np

from styletalk_core.renderer.arrays import Float, Image
from styletalk_core.renderer.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP
from styletalk_core.renderer.mouth_anatomy import JAW, MouthAnatomy
from styletalk_core.renderer.opening import Opening, Patch, smooth_curve
from styletalk_core.renderer.own_mouth import OwnMouth
from styletalk_core.renderer.own_teeth import own_teeth

_CHEEKS = (50, 280, 205, 425)
# Fitted to what is seen between the lips in some 150 clips of talking people, relative to their cheeks.
_ENAMEL = np.array([1.05, 0.98, 0.95], np.float32)
_ENAMEL_BRIGHTNESS = (100.0, 0.62)  # grey levels: constant, share of the cheeks' brightness
_BRIGHTEST = 175.0
_LOWER_TEETH = 0.84  # of the upper ones
_TONGUE = np.array([0.88, 0.66, 0.70], np.float32)  # of the cheeks
_PALATE = np.array([0.45, 0.29, 0.31], np.float32)  # of the cheeks
_TYPICAL_SKIN = np.array([1.25, 0.98, 0.80], np.float32)  # relative to its mean
_LIGHT_SHARE = 0.45  # how much of a deviation from typical skin is due to the light rather than the complexion
_FULL_LIGHT, _LEAST_LIGHT = 0.16, 0.10  # gap between the lips at which all light comes in; what does when they part
_OPAQUE = 0.08  # gap from which the mouth hides the stretched lips of the photo


class MouthInterior:
    """The mouth of one portrait."""

    def __init__(self, picture: Image, landmarks: Float, resting: Float, unit: float) -> None:
        """Prepares the mouth.

        Args:
            picture: (T, T, 3) the portrait.
            landmarks: (478, 3) its landmarks, px.
            resting: (478, 3) the same with the mouth at rest.
            unit: its inter-ocular distance, px.
        """
        self._unit = unit
        skin = cheek_color(picture, landmarks, unit)
        constant, share = _ENAMEL_BRIGHTNESS
        light = np.clip(skin / skin.mean() / _TYPICAL_SKIN, 0.5, 1.6) ** _LIGHT_SHARE
        enamel = min(constant + share * skin.mean(), _BRIGHTEST) * _ENAMEL * light
        self._dark = skin * _PALATE
        self._lit = np.stack([skin * _TONGUE, enamel * _LOWER_TEETH, enamel]).astype(np.float32)
        self._upper_teeth, self._lower_teeth = own_teeth(picture, landmarks, unit, skin)
        self._own_mouth = OwnMouth.of(picture, landmarks, unit, self.has_own_teeth)
        self._own_jaw = (landmarks - resting)[list(JAW), :2].mean(0)
        self._anatomy = MouthAnatomy(1 / unit, self._upper_teeth is None, self._lower_teeth is None)
        self._middle, self._half_width = resting_line(resting[:, :2])

    @property
    def has_own_teeth(self) -> bool:
        """Whether the photo shows some."""
        return self._upper_teeth is not None or self._lower_teeth is not None

    def paint(self, opening: Opening, to_source: Float, jaw: Float, lips: Float) -> Patch:
        """The inside of the mouth as ``opening`` shows it.

        Args:
            to_source: (2, 3) affine map from output pixels to the portrait's, the head's motion undone.
            jaw: (2,) how far the jaw has moved from rest, inter-ocular distances.
            lips: (>=478, 2) landmarks in the output, px.
        """
        x, y = opening.grid()
        unit, scale = self._unit, abs(float(to_source[1, 1]))
        depth = below_and_above(x, y, lips)
        source_x = to_source[0, 0] * x + to_source[0, 1] * y + to_source[0, 2]
        source_y = to_source[1, 0] * x + to_source[1, 1] * y + to_source[1, 2]
        parts = self._anatomy.parts(
            (source_x - self._middle[0]) / unit,
            (source_y - self._middle[1]) / unit,
            jaw,
            (depth[0] * scale / unit, depth[1] * scale / unit),
            self._half_width / unit,
        )
        local_gap = (depth[0] + depth[1]) * (scale / unit)
        light = _LEAST_LIGHT + (1 - _LEAST_LIGHT) * min(float(local_gap.max()) / _FULL_LIGHT, 1.0)
        colors = np.vstack([self._dark[None], self._dark + (self._lit - self._dark) * light])
        inside = np.einsum("phwc,pc->hwc", parts, colors)
        if self._lower_teeth is not None:
            dropped = jaw * unit - self._own_jaw
            inside = self._lower_teeth.lay_over(inside, source_x - dropped[0], source_y - dropped[1])
        if self._upper_teeth is not None:
            inside = self._upper_teeth.lay_over(inside, source_x, source_y)
        if self._own_mouth is not None:
            first, last = lips[[UPPER_INNER_LIP[0], UPPER_INNER_LIP[-1]], 0]
            across = np.clip((x[0] - first) / max(float(last - first), 1.0), 0, 1)
            down = np.clip(depth[0] / np.maximum(depth[0] + depth[1], 1e-3), 0, 1)
            inside = self._own_mouth.lay_over(inside, across, down, float(local_gap.max()) * unit)
        return Patch(opening.window, np.clip(inside, 0, 255), opening.mask * np.clip(local_gap / _OPAQUE, 0, 1))


def cheek_color(picture: Image, landmarks: Float, unit: float) -> Float:
    """Median colour (3,) of the cheeks of a picture (H, W, 3) whose landmarks (478, >=2) are in px."""
    reach = max(1, round(0.04 * unit))
    patches = []
    for x, y in landmarks[list(_CHEEKS), :2].round().astype(int):
        patch = picture[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        patches.append(patch.reshape(-1, patch.shape[-1])[:, :3])
    return np.asarray(np.maximum(np.median(np.concatenate(patches), axis=0), 12), np.float32)


def resting_line(landmarks: Float) -> tuple[Float, float]:
    """Middle (2,) and half the width of the line between closed lips; landmarks (478, 2)."""
    line = (landmarks[list(UPPER_INNER_LIP)] + landmarks[list(LOWER_INNER_LIP)]) / 2
    middle = np.array([line[:, 0].mean(), line[3:8, 1].mean()], np.float32)
    return middle, float(np.linalg.norm(line[-1] - line[0])) / 2


def below_and_above(x: Float, y: Float, lips: Float) -> tuple[Float, Float]:
    """How far places (h, w) lie below the upper inner lip and above the lower one; ``lips`` (>=478, 2)."""
    edges = [smooth_curve(lips[list(row), :2]) for row in (UPPER_INNER_LIP, LOWER_INNER_LIP)]
    upper, lower = (np.interp(x, edge[:, 0], edge[:, 1]).astype(np.float32) for edge in edges)
    return y - upper, lower - y
