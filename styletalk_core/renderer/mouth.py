"""The inside of the mouth: dark palate, tongue, teeth, lit by what comes in between the lips.

The upper teeth are fixed to the head, the lower teeth and the tongue to the jaw. The row of teeth is a texture made
from synthetic faces (see presenters.py).
Runs on: worker thread; built once per portrait.
"""

from functools import cache
from importlib.resources import files

import cv2
import numpy as np

from styletalk_core.renderer.arrays import Float, Image
from styletalk_core.renderer.face_mesh import LOWER_INNER_LIP, UPPER_INNER_LIP
from styletalk_core.renderer.opening import Opening

# Lengths in inter-ocular distances (about 90 mm).
_TEETH_SCALE = 1 / 794  # of a texture pixel
_UPPER_EDGE = 0.018  # upper teeth end this far below the line of the closed lips
_LOWER_EDGE = 0.022  # lower teeth begin this far below it
_LOWER_WIDTH = 0.70  # of the upper row
_FULL_LIGHT = 0.11  # gap between the lips at which the teeth are fully lit
_CAVITY = np.array([52, 20, 20], np.float32)
_TONGUE = np.array([168, 84, 82], np.float32)


@cache
def _teeth() -> Float:
    """(h, w, 4) RGBA float32 0..1, premultiplied."""
    data = np.frombuffer((files("styletalk_core") / "portraits" / "teeth.png").read_bytes(), np.uint8)
    bgra = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert bgra is not None
    rgba: Float = cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA).astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


class MouthInterior:
    """The mouth of one portrait, in coordinates of its closed lips."""

    def __init__(self, picture: Image, landmarks: Float, unit: float) -> None:
        self._unit = unit
        upper, lower = landmarks[list(UPPER_INNER_LIP), :2], landmarks[list(LOWER_INNER_LIP), :2]
        line = (upper + lower) / 2
        self._middle = np.array([line[:, 0].mean(), line[3:8, 1].mean()], np.float32)
        self._half_width = float(np.linalg.norm(line[-1] - line[0])) / 2
        cheeks = landmarks[[50, 280, 205, 425], :2].round().astype(int)
        reach = max(2, round(0.05 * unit))
        skin = np.mean([picture[y - reach : y + reach, x - reach : x + reach].mean((0, 1)) for x, y in cheeks], 0)
        luminance = float(skin @ [0.299, 0.587, 0.114])
        tint = skin / skin.mean() / np.array([1.25, 0.98, 0.80], np.float32)  # what is left of the light's colour
        self._light = np.float32(np.clip(0.45 + luminance / 330, 0.6, 0.95) * (0.75 + 0.25 * np.clip(tint, 0.8, 1.2)))
        small = 1 / max(1.0, 1 / (unit * _TEETH_SCALE * 1.5))
        self._teeth = cv2.resize(_teeth(), None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        self._teeth_scale = unit * _TEETH_SCALE / small

    def draw(self, picture: Image, opening: Opening, to_source: Float, jaw: Float, gap: float) -> None:
        """Paints the mouth into ``picture`` (H, W, C >= 3) where ``opening`` shows it.

        Args:
            to_source: (2, 3) affine map from output pixels to the portrait's, the head's motion undone.
            jaw: (2,) how far the jaw has moved from the portrait's, px of the portrait.
            gap: greatest distance between the lips, inter-ocular distances.
        """
        x, y = opening.grid()
        x, y = (
            to_source[0, 0] * x + to_source[0, 1] * y + to_source[0, 2] - self._middle[0],
            to_source[1, 0] * x + to_source[1, 1] * y + to_source[1, 2] - self._middle[1],
        )
        unit = self._unit
        inside = np.broadcast_to(_CAVITY, (*x.shape, 3)).astype(np.float32)
        inside *= (0.75 + 0.5 * np.clip((y - 0.02 * unit) / (0.25 * unit), 0, 1))[..., None]

        tongue_y = (y - jaw[1] - 0.075 * unit) / (0.115 * unit)
        tongue_x = (x - jaw[0]) / (0.225 * unit)
        body = 1 - tongue_x**2 - tongue_y**2
        tongue = np.clip(body / 0.7, 0, 1)
        groove = 1 - 0.14 * np.exp(-((tongue_x / 0.12) ** 2))
        tone = (0.34 + 0.42 * np.sqrt(np.clip(body, 0, 1))) * groove
        inside += (_TONGUE * tone[..., None] - inside) * tongue[..., None]

        lower = self._row(x - jaw[0], (jaw[1] + _LOWER_EDGE * unit - y), _LOWER_WIDTH)
        inside = inside * (1 - lower[..., 3:]) + lower[..., :3] * 178
        upper = self._row(x, y - _UPPER_EDGE * unit, 1.0)
        inside = inside * (1 - upper[..., 3:]) + upper[..., :3] * 248

        corner = np.clip(np.abs(x) / (self._half_width * 1.05), 0, 1)
        depth = max(1.0, 0.022 * unit / abs(to_source[0, 0]))
        edge = np.clip(cv2.GaussianBlur(opening.mask, (0, 0), depth) * 1.25, 0, 1)
        light = np.clip(gap / _FULL_LIGHT, 0, 1)
        shade = (0.42 + 0.58 * light**0.7) * (1 - 0.62 * corner**2.5) * (0.35 + 0.65 * edge)
        inside *= self._light * shade[..., None]
        window = picture[opening.window][..., :3]
        mask = opening.mask[..., None]
        window[:] = (window * (1 - mask) + np.clip(inside, 0, 255) * mask + 0.5).astype(np.uint8)

    def _row(self, x: Float, below_edge: Float, width: float) -> Float:
        """A row of teeth whose cutting edge lies at ``below_edge`` = 0, (h, w, 4) premultiplied."""
        height, columns = self._teeth.shape[:2]
        scale = self._teeth_scale
        return cv2.remap(
            self._teeth,
            x / (scale * width) + columns / 2 - 0.5,
            np.maximum(below_edge / scale + height - 3, 0),
            cv2.INTER_LINEAR,
        )
