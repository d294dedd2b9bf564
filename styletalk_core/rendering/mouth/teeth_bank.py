"""Rows of teeth cut from photographs of synthetic faces, for portraits that do not show their own.

Made by `styletalk_core/lab/assets/teeth_bank.py`.
Runs on: any thread; the file is read once.
"""

import logging
import zlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.mouth.teeth import TeethRow

FILE: Final = Path(str(files("styletalk_core") / "portraits" / "teeth.npz"))
DRAWN: Final = FILE.with_suffix(".png")
"""A single row that is used if the bank cannot be read."""
UPPER_EDGE: Final = 0.022
"""Lower edge of the upper teeth, below the line of the closed lips, inter-ocular distances."""
PIXEL: Final = 1 / 260
"""Distance between pixels of the bank's textures, inter-ocular distances."""
_DRAWN_PIXEL, _DRAWN_WHITE = 1 / 794, 0.93
logger = logging.getLogger(__name__)


def row_for(landmarks: Float) -> TeethRow:
    """The row of a portrait with landmarks (478, 3): always the same for the same portrait."""
    rows = bank()
    return rows[zlib.crc32(landmarks.astype(np.float32).tobytes()) % len(rows)]


@cache
def bank(path: Path = FILE) -> tuple[TeethRow, ...]:
    """All upper rows; only the drawn one if the file is missing or damaged."""
    try:
        with np.load(path) as stored:
            rows = tuple(_placed(_decoded(stored[name].tobytes()), PIXEL) for name in sorted(stored))
        if not rows:
            raise ValueError("it is empty")
        return rows
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error, cv2.error) as error:
        logger.warning("%s cannot be read, so all avatars have the same teeth: %s", path, error)
        return (_placed(_decoded(DRAWN.read_bytes()) / np.array([_DRAWN_WHITE] * 3 + [1], np.float32), _DRAWN_PIXEL),)


def _placed(rgba: Float, pixel: float) -> TeethRow:
    """A texture (h, w, 4) in the middle, its last row of pixels at the cutting edge."""
    height, width = rgba.shape[:2]
    left, top = -(width - 1) / 2 * pixel, UPPER_EDGE - (height - 3) * pixel
    return TeethRow(rgba, left, top, pixel, np.ones(3, np.float32))


def _decoded(data: bytes) -> Float:
    """Decodes a PNG to (h, w, 4) premultiplied RGBA float32, 0..1."""
    bgra = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgra is None:
        raise ValueError("not an image")
    rgba: Float = cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA).astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba
