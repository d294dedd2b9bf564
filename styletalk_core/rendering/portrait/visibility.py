"""Visibility check: rejects photos in which dark glasses, masks or hands cover the eyes or the mouth.

The face mesh is also fitted over occlusions, so they are detected from pixels: eyes have a white and a pupil; a mouth
has a dark line or an opening between lips redder than the skin. The thresholds separate about 350 faces of all kinds
from the same faces with glasses, masks and hands drawn over them.
Runs on: any thread, at enrolment only; pure.
"""

from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import EYES, LOWER_OUTER_LIP, UPPER_OUTER_LIP, Eye, eye_distance_px

_CHEEKS: Final = (50, 280, 205, 425)
_BELOW_EYES: Final = ((230, 229, 231), (450, 449, 451))
_MIDDLE_OF_LIPS: Final = slice(2, -2)
_PROFILE: Final = np.linspace(-0.1, 1.1, 25, dtype=np.float32)
"""Sampling positions across the mouth, 0 upper edge of the lips .. 1 lower edge."""
# Relative to the lightness of the cheeks; uncovered faces have at least 0.23, 0.66 and 0.22.
_EYE_CONTRAST: Final = 0.15
_SKIN_BELOW_EYES: Final = 0.55
_MOUTH_CONTRAST: Final = 0.18
_FLAT_MOUTH: Final = 0.30, 2.0
"""Contrast and range of redness (CIE a*); both are below these values without visible lips, above 2.2 with them."""


def check_visible(rgb: Image, landmarks: Float) -> None:
    """Checks that eyes and mouth of a face (478, >=2) px are visible in a photo (H, W, 3).

    Raises:
        InputError: the eyes or the mouth are covered.
    """
    lab: Float = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    points, unit = landmarks[:, :2], eye_distance_px(landmarks)
    cheeks = max(_lightness(lab, points[list(_CHEEKS)], 0.03 * unit), 1.0)
    contrast = max(_eye_contrast(lab[..., 0], points, eye) for eye in EYES) / cheeks
    below = max(_lightness(lab, points[list(places)], 0.02 * unit) for places in _BELOW_EYES) / cheeks
    if contrast < _EYE_CONTRAST or below < _SKIN_BELOW_EYES:
        raise InputError("the eyes are covered: use a photo without dark glasses")
    light, redness = _across_mouth(lab, points)
    contrast, flat = float(np.ptp(light)) / cheeks, _FLAT_MOUTH
    if contrast < _MOUTH_CONTRAST or (contrast < flat[0] and np.ptp(redness) < flat[1]):
        raise InputError("the mouth is covered: use a photo that shows both lips")


def _lightness(lab: Float, places: Float, reach: float) -> float:
    """Return the median lightness around ``places`` (N, 2)."""
    r = max(1, round(reach))
    around = [
        lab[max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1, 0].ravel() for x, y in places.round().astype(int)
    ]
    return float(np.median(np.concatenate(around)))


def _eye_contrast(lightness: Float, points: Float, eye: Eye) -> float:
    """Range of lightness between the lids; a closed or very small eye passes, since its range is unknown."""
    outline = np.vstack([points[list(eye.upper_lid)], points[list(eye.lower_lid)][::-1]])
    between = np.zeros(lightness.shape, np.uint8)
    cv2.fillPoly(between, [outline.round().astype(np.int32)], 1)
    seen = lightness[between > 0]
    return float(np.ptp(np.percentile(seen, (5, 95)))) if len(seen) > 3 else np.inf


def _across_mouth(lab: Float, points: Float) -> tuple[Float, Float]:
    """Profiles of lightness and redness from above the lips to below them, as medians over the middle of the mouth."""
    upper, lower = (points[list(lip)][_MIDDLE_OF_LIPS] for lip in (UPPER_OUTER_LIP, LOWER_OUTER_LIP))
    at = (upper + _PROFILE[:, None, None] * (lower - upper)).astype(np.float32)
    seen = cv2.remap(lab, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.median(seen[..., 0], axis=1), np.median(seen[..., 1], axis=1)
