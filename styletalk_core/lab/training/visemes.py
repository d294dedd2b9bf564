"""Measures the mouth shape of every Oculus viseme: `styletalk train visemes`.

A shape is the mean of the lower face at the midpoints of the viseme's phones, over the train split. Runs on: the
command line, in seconds. In: coefficients and phone labels of the cache folder.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from styletalk_core.errors import InputError
from styletalk_core.face.arkit import VISEMES, viseme_of_phones
from styletalk_core.face.clip_motion import ClipMotion
from styletalk_core.face.face_model import LOWER
from styletalk_core.lab.dataset import add_licence_argument, coefficients_path, read_manifest
from styletalk_core.weights import weight_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video/manifest.tsv")
    parser.add_argument("--cache", type=Path, required=True, help="folder with coefficients/ and labels/")
    add_licence_argument(parser)
    parser.add_argument("--out", type=Path, help="weight file to write (visemes.safetensors of the set)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the shapes.

    Raises:
        InputError: there are no labels, or a viseme does not occur in them.
    """
    shapes: list[list[NDArray[np.float32]]] = [[] for _ in VISEMES]
    for clip in read_manifest(args.data, args.licence):
        labels, motion = args.cache / "labels" / f"{clip.name}.npy", coefficients_path(args.cache, clip)
        if clip.split == "train" and labels.is_file() and motion.is_file():
            lower = ClipMotion.load(motion).coefficients[:, :LOWER]
            for viseme, frame in phone_middles(np.load(labels)):
                if frame < len(lower):
                    shapes[viseme].append(lower[frame])
    missing = [name for name, found in zip(VISEMES, shapes, strict=True) if not found]
    if missing:
        raise InputError(f"{args.cache} contains no labelled clip with the visemes {', '.join(missing)}")
    means = np.array([np.mean(found, axis=0) for found in shapes], np.float32)
    means[VISEMES.index("sil")] = 0
    out = args.out or weight_path("visemes.safetensors")
    save_file({"shapes": means}, out)
    if not args.json:
        print(f"{out}: {sum(map(len, shapes))} phones")
    return {"phones": dict(zip(VISEMES, map(len, shapes), strict=True)), "file": str(out)}


def phone_middles(labels: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Viseme and middle frame of every run of equal phone ids (T,)."""
    borders = np.flatnonzero(np.diff(labels)) + 1
    starts, ends = np.append(0, borders), np.append(borders, len(labels))
    visemes = viseme_of_phones()
    return [(int(visemes[labels[start]]), int((start + end) // 2)) for start, end in zip(starts, ends, strict=True)]
