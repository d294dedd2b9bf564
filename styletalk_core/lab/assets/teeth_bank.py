"""Cuts the bank of upper teeth from smiles of synthetic faces (SFHQ, MIT licence).

    python -m styletalk_core.lab.assets.teeth_bank ../shared/data/portraits_open

Every row is turned upright, and its colours are relative to its brightest enamel.
"""

import argparse
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.rendering.arrays import Image
from styletalk_core.rendering.face_mesh import eye_distance_px
from styletalk_core.rendering.mouth.enamel import cheek_color
from styletalk_core.rendering.mouth.smile import upright
from styletalk_core.rendering.mouth.teeth import TeethRow
from styletalk_core.rendering.mouth.teeth_bank import FILE, PIXEL
from styletalk_core.rendering.mouth.teeth_row import find_rows
from styletalk_core.rendering.portrait.photo import find_landmarks

SOURCES: Final = (
    "sample_3x6_920_1035_g104_w149",
    "variability_ethnicity_2113_309_g219_w70",
    "variability_expression_1829_1064_g124_w81",
    "variability_expression_502_1061_g126_w81",
    "variability_hair_color_2115_915_g263_w63",
    "variability_hair_color_2955_610_g108_w68",
    "variability_hair_style_1501_1795_g123_w81",
)
"""Images whose upper row is whole and straight, judged by eye."""
_STRAIGHTENED: Final = 0.6
_EVENED: Final = 0.7
_WIDTH, _MAX_STRETCH = 0.57, 1.2
"""Width of a row up to the second premolars, inter-ocular distances."""
_OPAQUE: Final = 0.5
_BELOW: Final = 3
"""Transparent rows of pixels below the cutting edge."""


def texture(row: TeethRow) -> Image:
    """A row as (h, w, 4) uint8 RGBA, straight alpha, cut to its size; a smile bends a row more than speech does."""
    rgba = row.evened(_EVENED).straightened(_STRAIGHTENED)
    alpha = rgba[..., 3:]
    rgb = rgba[..., :3] / np.maximum(alpha, 1e-3)
    rows, columns = (np.flatnonzero((alpha[..., 0] > _OPAQUE).any(axis=axis)) for axis in (1, 0))
    low, high = max(rows[0] - _BELOW, 0), rows[-1] + _BELOW
    left, right = max(columns[0] - _BELOW, 0), columns[-1] + 1 + _BELOW
    both = np.dstack([rgb.clip(0, 1), alpha])[low:high, left:right]
    wider = float(np.clip(_WIDTH / (PIXEL * len(columns)), 1, _MAX_STRETCH))
    return np.asarray(np.round(cv2.resize(both, None, fx=wider, fy=1) * 255), np.uint8)


def main() -> None:
    """Writes portraits/teeth.npz.

    Raises:
        InputError: an image is missing, or its upper row is not recognized.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path, help="folder with the images")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    rows = {}
    for name in SOURCES:
        image = cv2.imread(str(args.portraits / f"{name}.jpg"))
        if image is None:
            raise InputError(f"{args.portraits} contains no image {name}.jpg")
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        rgb, landmarks = upright(rgb, find_landmarks(rgb))
        unit = eye_distance_px(landmarks)
        middle = landmarks[[13, 14], :2].mean(0)
        cheeks = cheek_color(rgb, landmarks, unit)
        row = find_rows(rgb, landmarks, middle, np.zeros(2, np.float32), unit, cheeks).upper
        if row is None:
            raise InputError(f"{name} shows no whole row of upper teeth")
        bgra = cv2.cvtColor(texture(row), cv2.COLOR_RGBA2BGRA)
        rows[name] = cv2.imencode(".png", bgra)[1]
    np.savez(args.out, **rows)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
