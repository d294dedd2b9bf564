"""Style thumbnails: a portrait with the style's mean expression, slightly exaggerated.

Runs on: any thread, one at a time for each object.
"""

from typing import Final

import cv2
import numpy as np

from styletalk_core.face.eyelids import without_blinks
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.spaces import MESH64
from styletalk_core.library.styles import Style
from styletalk_core.rendering.arrays import Image
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.portrait.portrait import Portrait

SIDE: Final = 160
"""Side of the thumbnail in pixels."""
_RENDERED: Final = 384
_STRENGTH: Final = 1.35
"""Exaggeration; the mean expression during speech is weaker than the style's typical look."""
_MARGIN: Final = 0.06
"""Margin around the face, in face heights."""


class StyleThumbnails:
    """Renders thumbnails of styles on one portrait."""

    def __init__(self, portrait: Portrait) -> None:
        self._model = FaceModel.load()
        self._renderer = MeshRenderer(portrait, _RENDERED, self._model)
        face = portrait.landmarks[:, :2] * (_RENDERED / portrait.image.shape[0])
        low, high = face.min(axis=0), face.max(axis=0)
        reach = (0.5 + _MARGIN) * float((high - low).max())
        center = np.clip((low + high) / 2, reach, _RENDERED - reach)
        self._left, self._top = (center - reach).round().astype(int)
        self._side = round(2 * reach)

    def image(self, style: Style) -> Image:
        """Renders the cropped face, (160, 160, 3) uint8 RGB."""
        coefficients = style.within(MESH64).coefficients
        expression = (_STRENGTH * without_blinks(coefficients, self._model).mean(axis=0)).astype(np.float32)
        still = np.zeros(6, np.float32), np.zeros(2, np.float32), 0.0
        whole = self._renderer.render_rgb(expression, *still)
        part = whole[self._top : self._top + self._side, self._left : self._left + self._side]
        return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)

    def jpeg(self, style: Style) -> bytes:
        """Return the thumbnail as a JPEG file."""
        bgr = cv2.cvtColor(self.image(style), cv2.COLOR_RGB2BGR)
        return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 86])[1])
