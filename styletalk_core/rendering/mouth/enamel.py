"""Colour of a person's teeth, from their cheeks and the whites of their eyes.

The whites of the eyes show the light that falls on a face, which its skin alone does not: skin has a colour of its own.
Runs on: any thread, once per portrait; pure.
"""

from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import EYES

_CHEEKS: Final = (50, 280, 205, 425)
_CHEEK_SIZE: Final = 0.04
_SEEN_UNIT: Final = 100.0
"""Inter-ocular distance at which eyes are looked at, px."""
_BEYOND_IRIS: Final = 1.15
"""Radius from which sclera is looked for, relative to the iris."""
_BRIGHTEST: Final = 60.0
"""Percentile of the brightness from which pixels are sclera rather than lashes or shadow."""
_MIN_PIXELS: Final = 40
# Fitted to 60 people talking: their cheeks, the whites of their eyes, and the brightest part of their open mouths.
_LEVEL: Final = (0.40, 0.41, 1.42)
"""Logarithm of the brightness of teeth: share of the cheeks, share of the whites, constant."""
_TINT: Final = (0.35, 0.45)
"""Their tint: share of that of the cheeks, share of that of the whites."""
_MAX_TINT: Final = 0.11
"""Maximum deviation of the logarithm of a channel from the mean: teeth are never orange or blue."""
_BRIGHTEST_TEETH: Final = (215.0, 1.6)
"""Maximum mean, in grey levels and relative to the cheeks."""
_USUAL: Final = 0.87
"""Brightness of the whites relative to the cheeks."""
_UNUSUAL: Final = 0.5
"""Maximum deviation of its logarithm in each channel, so that sunglasses neither darken nor tint the teeth much."""
# Fitted to the mouth interiors of about 60 clips of talking people, relative to their cheeks.
_ENAMEL: Final = np.array([1.06, 0.98, 0.89], np.float32)
_ENAMEL_BRIGHTNESS: Final = (55.0, 1.15)  # grey levels: constant, share of the cheek brightness
_MAX_BRIGHTNESS: Final = 238.0
_TYPICAL_SKIN: Final = np.array([1.25, 0.98, 0.80], np.float32)  # relative to its mean
_LIGHT_SHARE: Final = 0.25  # share of a deviation from typical skin that is due to the light rather than the complexion


def enamel_color(cheeks: Float, whites: Float | None) -> Float:
    """Return the colour (3,) of brightly lit teeth of a person, grey levels.

    Args:
        cheeks: (3,) their colour, see `cheek_color`.
        whites: (3,) colour of the whites of the eyes, see `sclera_color`; None if they are not seen.
    """
    enamel = usual_enamel(cheeks) if whites is None else _lit_by(cheeks, whites)
    limit, of_cheeks = _BRIGHTEST_TEETH
    brightest = min(limit, of_cheeks * float(cheeks.mean()))
    return np.asarray(enamel * min(1.0, brightest / float(enamel.mean())), np.float32)


def _lit_by(cheeks: Float, whites: Float) -> Float:
    """Return the colour (3,) of teeth in the light that the whites of the eyes show."""
    skin = np.log(cheeks)
    usual = skin + np.log(_USUAL)
    light = usual + np.clip(np.log(np.maximum(whites, 1)) - usual, -_UNUSUAL, _UNUSUAL)
    levels = np.stack([skin, light]).mean(axis=1)
    tints = np.stack([skin, light]) - levels[:, None]
    of_cheeks, of_whites, constant = _LEVEL
    tint = np.clip(np.array(_TINT) @ tints, -_MAX_TINT, _MAX_TINT)
    return np.asarray(np.exp(of_cheeks * levels[0] + of_whites * levels[1] + constant + tint), np.float32)


def usual_enamel(cheeks: Float) -> Float:
    """Return the usual colour (3,) of brightly lit teeth beside cheeks of a colour (3,), grey levels."""
    constant, share = _ENAMEL_BRIGHTNESS
    light = np.clip(cheeks / cheeks.mean() / _TYPICAL_SKIN, 0.5, 1.6) ** _LIGHT_SHARE
    return np.asarray(min(constant + share * cheeks.mean(), _MAX_BRIGHTNESS) * _ENAMEL * light, np.float32)


def cheek_color(image: Image, landmarks: Float, unit: float) -> Float:
    """Return the median cheek colour (3,) of an image (H, W, 3) with landmarks (478, >=2) px."""
    reach = max(1, round(_CHEEK_SIZE * unit))
    patches = []
    for x, y in landmarks[list(_CHEEKS), :2].round().astype(int):
        patch = image[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        patches.append(patch.reshape(-1, patch.shape[-1])[:, :3])
    return np.asarray(np.maximum(np.median(np.concatenate(patches), axis=0), 12), np.float32)


def sclera_color(image: Image, landmarks: Float, unit: float) -> Float | None:
    """Return the colour (3,) of the whites of the eyes, None if they are not seen; arguments as of `cheek_color`."""
    points = landmarks[:, :2]
    eyes = np.vstack([points[[*eye.upper_lid, *eye.lower_lid]] for eye in EYES])
    margin = 0.1 * unit
    low = np.maximum(eyes.min(axis=0) - margin, 0).astype(int)
    high = np.ceil(eyes.max(axis=0) + margin).astype(int)
    scale = _SEEN_UNIT / unit
    around = image[low[1] : high[1], low[0] : high[0], :3]
    seen = cv2.resize(around, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    places = (points - low) * np.float32(scale)
    white = np.zeros(seen.shape[:2], np.uint8)
    for eye in EYES:
        outline = np.vstack([places[list(eye.upper_lid)], places[list(eye.lower_lid)][::-1]])
        cv2.fillPoly(white, [outline.round().astype(np.int32)], 1)
    white = cv2.erode(white, np.ones((3, 3), np.uint8))
    for eye in EYES:
        iris = places[list(eye.iris)]
        radius = _BEYOND_IRIS * float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean())
        cv2.circle(white, iris[0].round().astype(int).tolist(), int(np.ceil(radius)), 0, -1)
    pixels = seen[white > 0].astype(np.float32)
    if len(pixels) < _MIN_PIXELS:
        return None
    brightness = pixels.mean(axis=1)
    return np.asarray(pixels[brightness >= np.percentile(brightness, _BRIGHTEST)].mean(axis=0), np.float32)
