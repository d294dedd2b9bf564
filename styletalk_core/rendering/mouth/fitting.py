"""Fits the drawn mouth to a photo with parted lips: the height of each row of teeth, and the light on each part.

Lips and chin show where the teeth are only to about the width of a tooth, and how much light reaches them depends on
the photo. A few numbers are taken from it; none of its pixels is.
Runs on: any thread, once per portrait (some 60 ms); pure.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.mouth.anatomy import MouthAnatomy

_UPPER_SHIFTS: Final = (0.0, -0.015, 0.015, -0.03, 0.03, 0.045, 0.06, 0.075)
_LOWER_SHIFTS: Final = (0.0, 0.015, -0.015, 0.03, -0.03, -0.045, -0.06, -0.075)
"""Possible displacements of the rows, down, in inter-ocular distances."""
_SCALES: Final = (1.0, 1.12, 1.25)
"""Possible sizes of the rows, relative to the usual one."""
_UNUSUAL: Final = 8.0
"""Error that a displacement costs, relative to the brightness of the teeth, per squared inter-ocular distance."""
_SURE: Final = np.array([0.0045, 0.0045, 0.0011], np.float32)
"""How firmly the usual light on palate, tongue and teeth is kept, as the squared brightness of a part that is seen."""
_MIN_LIGHT: Final = np.array([0.4, 0.4, 0.45], np.float32)
_MAX_LIGHT: Final = np.array([1.5, 1.2, 1.3], np.float32)
"""Range of the light, relative to the usual one."""
_BLUR: Final = 0.008
"""Size of detail that is not compared, in inter-ocular distances."""
_PART_OF: Final = np.array([0, 1, 2, 2])
"""For each of the `PARTS`, the light that it has."""
_SEEN: Final = 0.5
_UNSURE: Final = 0.01
"""Distance from the lips that is not compared, since their edges are only about known."""
_WARM: Final = np.array([1.0, 0.0, -1.0], np.float32)
"""Change of the colour of light from cold to warm."""
_WARMER: Final = 0.1
"""Maximum change, so that no other colour of a photo enters the mouth."""


@dataclass(frozen=True, slots=True)
class MouthView:
    """An open mouth in an image; see `MouthAnatomy.paint`."""

    visible: Float  # (h, w)
    places: Float  # (2, 3)
    lips: Float  # (2, w)
    distance: float
    jaw: Float  # (2,)

    @property
    def gaps(self) -> Float:
        """Distance between the lips in each column (w,), inter-ocular distances."""
        return np.asarray((self.lips[1] - self.lips[0]) * self.distance, np.float32)

    def painted(self, anatomy: MouthAnatomy, colors: Float) -> Float:
        """The colours (h, w, 3) of the mouth with ``colors`` (4, 3) of its parts."""
        return anatomy.paint(self.visible, self.places, self.lips, self.distance, self.jaw, colors)


@dataclass(frozen=True, slots=True)
class FittedMouth:
    """A mouth like that of a photo: its ``anatomy``, and the light (4, 3) on its parts relative to the usual one."""

    anatomy: MouthAnatomy
    light: Float


def fit(
    anatomy: MouthAnatomy, view: MouthView, photo: Float, colors: Float, upper_fixed: bool, lower_fixed: bool
) -> FittedMouth:
    """Finds the mouth most like a photo's.

    Args:
        anatomy: the usual mouth.
        view: the mouth in the photo.
        photo: (h, w, 3) what the photo shows there.
        colors: (4, 3) usual colours of the `PARTS`.
        upper_fixed, lower_fixed: the row is the photo's own and stays as it is.
    """
    comparison = _Comparison(view, photo, colors)
    least, best, chosen = np.inf, anatomy, (0.0, 0.0)
    for upper in _UPPER_SHIFTS[: 1 if upper_fixed else None]:
        for lower in _LOWER_SHIFTS[: 1 if lower_fixed else None]:
            moved = anatomy.moved(upper, lower, 1.0)
            error = comparison.error(moved) + _UNUSUAL * (upper**2 + lower**2)
            if error < least:
                least, best, chosen = error, moved, (upper, lower)
    if not (upper_fixed or lower_fixed):
        best = min((anatomy.moved(*chosen, scale) for scale in _SCALES), key=comparison.error)
    return FittedMouth(best, comparison.light(best))


class _Comparison:
    """Compares drawn mouths with a photo; arguments as of `fit`."""

    def __init__(self, view: MouthView, photo: Float, colors: Float) -> None:
        self._view = view
        self._blur = _BLUR / view.distance
        margin = 2 * round(_UNSURE / view.distance) + 1
        inside = (view.visible > _SEEN).astype(np.uint8)
        eroded = cv2.erode(inside, np.ones((margin, 1), np.uint8))
        self._inside = (eroded if eroded.any() else inside) > 0
        self._level = float(colors[-1].mean())
        # Outside the mouth nothing is painted; the photo's lips are excluded alike.
        self._wanted = self._seen(photo)
        parts = range(len(_SURE))
        self._lit_alone = [np.where(np.equal(_PART_OF, part)[:, None], colors, 0).astype(np.float32) for part in parts]

    def error(self, anatomy: MouthAnatomy) -> float:
        """Mean difference in brightness under the best light, relative to the brightness of the teeth."""
        parts, wanted = self._parts(anatomy).mean(axis=-1), self._wanted.mean(axis=-1)
        return float(np.abs(_light(parts, wanted) @ parts - wanted).mean())

    def light(self, anatomy: MouthAnatomy) -> Float:
        """The best light (4, 3) on the parts, cold or warm as in the photo."""
        parts = self._parts(anatomy)
        white = _light(parts.mean(axis=-1), self._wanted.mean(axis=-1))
        colored = np.stack([_light(parts[..., k], self._wanted[..., k]) for k in range(3)], axis=-1)
        warm = np.clip((colored[:, 0] - colored[:, 2]) / (2 * colored.mean(axis=-1)), -_WARMER, _WARMER)
        by_part = white[:, None] * (1 + warm[:, None] * _WARM)
        return np.asarray(by_part[_PART_OF], np.float32)

    def _parts(self, anatomy: MouthAnatomy) -> Float:
        """What is seen (K, N, 3) of palate, tongue and teeth, each lit alone."""
        return np.stack([self._seen(self._view.painted(anatomy, colors)) for colors in self._lit_alone])

    def _seen(self, image: Float) -> Float:
        """Blurred colours (N, 3) within the mouth of an image (h, w, 3), relative to the brightness of the teeth."""
        shown = image * self._view.visible[..., None]
        return np.asarray(cv2.GaussianBlur(shown, (0, 0), self._blur)[self._inside] / self._level, np.float32)


def _light(parts: Float, wanted: Float) -> Float:
    """Light (K,) on ``parts`` (K, N) that makes their sum most like ``wanted`` (N,), near 1 for parts hardly seen."""
    normal = parts @ parts.T / len(wanted) + np.diag(_SURE)
    light = np.linalg.solve(normal, parts @ wanted / len(wanted) + _SURE)
    return np.asarray(np.clip(light, _MIN_LIGHT, _MAX_LIGHT), np.float32)
