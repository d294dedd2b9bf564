"""Contrast and brightness inside an open mouth, compared with those of the real mouth by its opening.

A real mouth is nearly black behind the teeth, which are the brightest part of the lower face; a drawn one that is grey
throughout has the right mean and too little contrast.
Runs on: any thread; pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP, eye_distance_px

OPENINGS: Final = {"narrow": (0.04, 0.08), "half": (0.08, 0.14), "wide": (0.14, 1.0)}
"""Ranges of the gap between the lips, in inter-ocular distances."""
ALL: Final = "ratio"
"""Name of the figure over all openings."""
_PERCENTILES: Final = (2, 98)
_MIN_PIXELS: Final = 20


@dataclass(frozen=True, slots=True)
class Inside:
    """The inside of one mouth, grey levels."""

    opening: str  # one of `OPENINGS`
    contrast: float  # between the percentiles 2 and 98
    brightness: float  # mean


@dataclass(frozen=True, slots=True)
class MouthLight:
    """Contrast and brightness of rendered mouths relative to the real ones, by opening; NaN without such frames."""

    contrast: dict[str, float]
    brightness: dict[str, float]

    @classmethod
    def compared(cls, pairs: Sequence[tuple[Inside | None, Inside | None]]) -> "MouthLight":
        """The ratios of the means over pairs of a rendered and a real mouth; closed ones are None."""
        contrast, brightness = {}, {}
        for opening in (*OPENINGS, ALL):
            both = [(one, other) for one, other in pairs if one and other]
            chosen = [pair for pair in both if opening in (ALL, pair[0].opening)]
            ours, real = (
                np.mean([(side.contrast, side.brightness) for side in sides], axis=0) if sides else np.full(2, np.nan)
                for sides in ([one for one, _ in chosen], [other for _, other in chosen])
            )
            contrast[opening], brightness[opening] = (ours / np.maximum(real, 1)).tolist()
        return cls(contrast, brightness)

    def figures(self) -> dict[str, float]:
        """The ratios as flat figures: ``mouth_contrast_wide`` and so on."""
        return {f"mouth_contrast_{name}": value for name, value in self.contrast.items()} | {
            f"mouth_brightness_{name}": value for name, value in self.brightness.items()
        }


def mouth_light(image: Image, landmarks: Float) -> Inside | None:
    """Measures the mouth of a face (H, W, 3) between its inner lips, landmarks (478, >=2) px; None if it is closed."""
    upper, lower = (landmarks[list(lip), :2] for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
    gap = float((lower - upper)[:, 1].max()) / eye_distance_px(landmarks)
    opening = next((name for name, (least, most) in OPENINGS.items() if least <= gap < most), None)
    between = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(between, [np.vstack([upper, lower[::-1]]).round().astype(np.int32)], 1)
    between = cv2.erode(between, np.ones((3, 3), np.uint8)).astype(np.uint8)
    if opening is None or between.sum() < _MIN_PIXELS:
        return None
    levels = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[between > 0]
    dark, bright = np.percentile(levels, _PERCENTILES)
    return Inside(opening, float(bright - dark), float(levels.mean()))
