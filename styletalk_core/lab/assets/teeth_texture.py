"""Builds the texture of the upper teeth from the smile of a synthetic face (SFHQ, MIT licence).

The half of the row that faces the camera is cut out along the edges of the teeth, without the lip, and mirrored.

    python -m styletalk_core.lab.assets.teeth_texture ../shared/data/portraits
"""

import argparse
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.portrait.photo import find_landmarks

SOURCE: Final = "sfhq_2x4_13"
CROP: Final = (800, 400)
"""Width and height of the upright mouth crop, px; the mouth corners are `CORNERS` apart."""
CORNERS: Final = 800 / 1.35
TOP, BOTTOM, LEFT, MIDDLE = 186, 292, 150, 398
"""Rows and columns of the half that is used, px in the crop."""
# fmt: off
EDGE: Final = (
    (398, 190), (398, 264), (395, 282), (390, 285), (368, 287), (334, 286), (326, 280), (322, 257), (315, 273),
    (303, 276), (284, 273), (274, 268), (262, 249), (254, 259), (241, 268), (229, 263), (215, 239), (207, 244),
    (196, 246), (187, 232), (181, 228), (174, 229), (163, 222), (154, 201), (156, 190),
)
# fmt: on
"""Outline of the teeth of that half, from the middle along the cutting edge to the last visible molar."""
_SHIFT: Final = 4
_GUM: Final = 8
_SPACE_WIDTH: Final = 43
_SPACE_DEPTH: Final = 0.85
"""Opacity of the shaded enamel that fills the gaps between the teeth."""


def teeth_texture(image: Image, landmarks: Float) -> Image:
    """Returns the full row (h, w, 4) uint8 RGBA, from an image (H, W, 3) RGB and its landmarks (478, 3) px."""
    right, left = landmarks[78, :2], landmarks[308, :2]
    middle, across = (right + left) / 2, left - right
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, CORNERS / float(np.linalg.norm(across)))
    turn[:, 2] = turn[:, 2] + np.array([CROP[0] / 2, 180]) - middle
    upright = cv2.warpAffine(image, turn, CROP, flags=cv2.INTER_CUBIC)

    mask = np.zeros(CROP[::-1], np.uint8)
    outline = np.array(EDGE, np.int32) << _SHIFT
    cv2.fillPoly(mask, [outline], 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.4)
    mask[:, MIDDLE - 6 :] = mask[:, MIDDLE - 6 : MIDDLE - 5]
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, _SPACE_WIDTH), np.uint8))
    filled = np.maximum(mask, cv2.GaussianBlur((_SPACE_DEPTH * closed).astype(np.uint8), (0, 0), 1.5))
    shade = 0.7 + 0.3 * mask.astype(np.float32) / np.maximum(filled, 1)
    smooth = cv2.GaussianBlur(upright, (0, 0), 6)
    space = (mask < 128)[..., None]
    colors = np.where(space, smooth, upright) * shade[..., None]

    half = np.dstack([colors.clip(0, 255).astype(np.uint8), filled])[TOP:BOTTOM, LEFT:MIDDLE]
    row = np.hstack([half, half[:, ::-1]])
    row[:_GUM, 20:-20, 3] = 255
    return row


def main() -> None:
    """Writes portraits/teeth.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path, help="folder with the sfhq_*.jpg faces")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "portraits" / "teeth.png")
    args = parser.parse_args()
    image = cv2.imread(str(args.portraits / f"{SOURCE}.jpg"))
    if image is None:
        raise InputError(f"{args.portraits} contains no image {SOURCE}.jpg")
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    cv2.imwrite(str(args.out), cv2.cvtColor(teeth_texture(rgb, find_landmarks(rgb)), cv2.COLOR_RGBA2BGRA))


if __name__ == "__main__":
    main()
