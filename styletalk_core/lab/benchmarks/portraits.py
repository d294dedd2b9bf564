"""`styletalk bench portraits`: automatic checks of many photos as avatars, each in several styles and mouth positions.

Counts photos that are refused, and frames with a hole, an eye held shut, a fragment between closed lips or lips away
from the mesh; see `portrait_checks`. With ``--sheet``, draws the photos with a fault for a look at them.

Runs on: the main thread; about two seconds a photo. No times are measured, so other load does not matter.
"""

import argparse
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from tqdm import tqdm

from styletalk_core.engine import ModelEngine
from styletalk_core.errors import InputError
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.assets.gallery import held
from styletalk_core.lab.evaluation.portrait_checks import Faults, check
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.portrait.portrait import enrol

STYLES: Final = ("conversational", "happy", "surprised")
PHONES: Final = ("SIL", "M", "AA", "OW")
FOLDERS: Final = ("portraits_open", "portraits_closed")
_SIZE: Final = 512
_CELL: Final = 200
"""Side of a cell of the sheet, px."""
_STILL, _AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the folders of photos")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="check every Nth photo of a folder (1)")
    parser.add_argument("--sheet", type=Path, metavar="FILE.jpg", help="draw the photos with a fault")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``photos``, ``refused`` with the reasons, ``frames``, and by fault the photos with styles and phones.

    Raises:
        InputError: ``--every`` is less than 1, or there are no photos.
    """
    if args.every < 1:
        raise InputError("--every must be at least 1.")
    paths = [path for folder in FOLDERS for path in sorted((args.data / folder).glob("*.jpg"))[:: args.every]]
    if not paths:
        raise InputError(f"{args.data} has no photos in {' or '.join(FOLDERS)}.")
    expressions = spoken_expressions(STYLES, PHONES)
    refused: dict[str, str] = {}
    faults: dict[str, list[str]] = {field.name: [] for field in fields(Faults)}
    rows = []
    with FaceTracker() as tracker:
        for path in tqdm(paths, unit="photo", disable=None):
            name = f"{path.parent.name}/{path.stem}"
            try:
                renderer = MeshRenderer(enrol(path, "guest"), _SIZE)
            except InputError as error:
                refused[name] = str(error)
                continue
            found = {key: check(renderer, expression, tracker) for key, expression in expressions.items()}
            for key, one in found.items():
                for fault, present in asdict(one).items():
                    if present:
                        faults[fault].append(f"{name} {key}")
            if args.sheet and any(one.any for one in found.values()):
                rows.append(_row(renderer, path.stem, expressions, found))
    if rows:
        cv2.imwrite(str(args.sheet), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    frames = (len(paths) - len(refused)) * len(expressions)
    result = {"photos": len(paths), "refused": refused, "frames": frames, "faults": faults}
    if not args.json:
        print(json.dumps(result, indent=2))
    return result


def spoken_expressions(styles: tuple[str, ...], phones: tuple[str, ...]) -> dict[str, Float]:
    """Expressions (64,) of phones held in styles, by "style phone"."""
    avatars = AvatarLibrary(None)
    engine = ModelEngine(avatars, StyleLibrary(None), size=256)
    found: dict[str, Float] = {}
    for style in styles:
        engine.open(0, avatars.names()[0], style, 1.0)
        found |= {f"{style} {phone}": held(engine, phone) for phone in phones}
        engine.close(0)
    return found


def _row(renderer: MeshRenderer, name: str, expressions: dict[str, Float], found: dict[str, Faults]) -> Image:
    """The lower face in each expression, with its faults, (H, W, 3)."""
    x, y = renderer.mesh.vertices[[13, 14], :2].mean(axis=0)
    scale = _CELL / (1.3 * renderer.unit)
    placed = np.array([[scale, 0, _CELL / 2 - scale * x], [0, scale, _CELL / 2 - scale * y]], np.float32)
    cells: list[Image] = []
    for key, expression in expressions.items():
        image = renderer.render_rgb(expression, _STILL, _AHEAD, 0.0)
        cell = cv2.warpAffine(image, placed, (_CELL, _CELL), flags=cv2.INTER_AREA)
        words = [fault for fault, present in asdict(found[key]).items() if present]
        for line, text in enumerate([key if cells else name, *words]):
            cv2.putText(cell, text, (4, 14 + 14 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 255, 0), 1, cv2.LINE_AA)
        cells.append(cell)
    return np.hstack(cells)
