"""Contact sheets of the built-in presenters: one row per speaking style, one column per mouth, head or eye position.

python -m styletalk_core.lab.assets.gallery docs/gallery
"""

import argparse
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.engine import ModelEngine
from styletalk_core.face.face_model import FaceModel
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.phones import INDEX, PHONES, WINDOW
from styletalk_core.rendering.mesh_renderer import MeshRenderer

Array = NDArray[np.float32]

CELL: Final = 160
"""Side of one image on the sheet, px."""
RENDERED: Final = 320
"""Side at which each image is rendered before downscaling, px."""
SPOKEN: Final = {"silence": "SIL", "open vowel": "AA", "closed lips": "M", "f": "F", "o": "OW"}
"""Columns that show speech: the phone that fills the window."""
TURN: Final = np.radians(12)
SMILE: Final = 0.9
"""Score of MediaPipe's two smile blendshapes."""
SMILES: Final = (44, 45)
"""Rows of mouthSmileLeft and mouthSmileRight among the 52 scores."""
LABEL_HEIGHT: Final = 22


def sheet(renderer: MeshRenderer, engine: ModelEngine, avatar: str, styles: list[str]) -> NDArray[np.uint8]:
    """The sheet of one presenter: a row per style, a column per position, (H, W, 3) uint8 RGB."""
    model = FaceModel.load()
    scores = np.zeros(len(model.from_scores), np.float32)
    scores[list(SMILES)] = SMILE
    smile = scores @ model.from_scores
    rows = []
    for style in styles:
        engine.open(0, avatar, style, 1.0)
        spoken = {name: held(engine, phone) for name, phone in SPOKEN.items()}
        engine.close(0)
        rest = spoken["silence"]
        cells = [_cell(renderer, expression) for expression in spoken.values()]
        cells.append(_cell(renderer, rest + smile))
        cells += [_cell(renderer, spoken["open vowel"], yaw=turn) for turn in (-TURN, TURN)]
        cells.append(_cell(renderer, rest, blink=1.0))
        rows.append(_labelled(np.hstack(cells), style))
    names = [*SPOKEN, "smile", "turned left", "turned right", "blink"]
    return np.vstack([_header(names), *rows])


def held(engine: ModelEngine, phone: str) -> Array:
    """Expression (64,) of a window filled with one phone."""
    window = np.zeros((1, WINDOW, len(PHONES)), np.float32)
    window[..., INDEX[phone]] = 1.0
    return np.asarray(engine.decode([0], window)[0], np.float32)


def _cell(renderer: MeshRenderer, expression: Array, yaw: float = 0.0, blink: float = 0.0) -> NDArray[np.uint8]:
    pose = np.array([0, yaw, 0, 0, 0, 0], np.float32)
    image = renderer.render_rgb(expression, pose, np.zeros(2, np.float32), blink)
    return np.asarray(cv2.resize(image, (CELL, CELL), interpolation=cv2.INTER_AREA), np.uint8)


def _header(names: list[str]) -> NDArray[np.uint8]:
    strip = np.full((LABEL_HEIGHT, CELL * len(names), 3), 245, np.uint8)
    for column, name in enumerate(names):
        cv2.putText(strip, name, (column * CELL + 6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.48, (40, 40, 40), 1, cv2.LINE_AA)
    return strip


def _labelled(row: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    cv2.putText(row, name, (6, CELL - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.48, (255, 255, 255), 1, cv2.LINE_AA)
    return row


def main() -> None:
    """Writes one JPEG per presenter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", help="names of presenters (default: all)")
    parser.add_argument("--quality", type=int, default=78, help="JPEG quality (default: 78)")
    args = parser.parse_args()
    avatars, styles = AvatarLibrary(Path()), StyleLibrary(Path())
    engine = ModelEngine(avatars, styles, size=RENDERED)
    args.folder.mkdir(parents=True, exist_ok=True)
    for avatar in args.only or avatars.names():
        image = sheet(MeshRenderer(avatars.get(avatar), RENDERED), engine, avatar, styles.names())
        options = [cv2.IMWRITE_JPEG_QUALITY, args.quality]
        cv2.imwrite(str(args.folder / f"{avatar}.jpg"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)


if __name__ == "__main__":
    main()
