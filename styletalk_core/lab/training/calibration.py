"""Measures how the lips of a finished network move: `styletalk train motion-calibration`.

What the words tell of a mouth's width is less than of its opening, and a network moves as far as it is sure. The
covariance of decoded speech, in units of the style's deviations, is measured on what training people said, in the
packaged styles; it is stored with the weights, and `lip_range` derives from it the correction of every style.

Runs on: the main thread of the command line; seconds.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.dataset import add_licence_argument
from styletalk_core.lab.evaluation.judgement import spoken_frames
from styletalk_core.lab.training.alignment import read_clips_in_step
from styletalk_core.lab.training.batches import people_balanced
from styletalk_core.lab.training.clips import MotionClip, spoken
from styletalk_core.lab.training.evaluation import generate
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.motion import judge_groups
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.models import checkpoint
from styletalk_core.models.compiled.lip_range import RANGE
from styletalk_core.models.styletalk import StyleTalk

_MIN_FRAMES: Final = 60
_FUTURE: Final = 2
_CLIPS: Final = 40
_RANK: Final = 1e-2
"""Directions that hardly move an articulator stay as they are."""

Float = NDArray[np.float32]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk train motion-calibration`."""
    parser.add_argument("--motion-weights", type=Path, required=True, help="result of `styletalk train motion`")
    parser.add_argument("--data", type=Path, required=True, help="folder of `styletalk dataset build`")
    parser.add_argument("--manifest", type=Path, required=True, help="video/manifest.tsv of the data folder")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="of the range in speech, where other people move more",
    )
    add_licence_argument(parser)
    parser.add_argument("--output", type=Path, required=True, help="weight file to write")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the calibrated network and returns its figures on people never trained on.

    Raises:
        InputError: the data cannot be used.
        CheckpointError: the weights cannot be used.
    """
    stored, lips = checkpoint.load(args.motion_weights), LipMap.of(FaceModel.load())
    clips = read_clips_in_step(args.data, args.manifest, lips, args.licence)
    library = StyleLibrary(Path())
    styles = [library.get(name).coefficients for name in library.builtin_names()]
    model = calibrated(stored.model, choose(clips), styles, lips, args.share)
    figures = judge_groups(model, clips, lips)
    shares = [round(args.share * float(share), 2) for share in RANGE]
    card = {**stored.card, "calibration": {"range": shares}, "figures_on_unseen": figures}
    checkpoint.save(model, card, args.output, torch.float16)
    if not args.json:
        print(f"{args.output}: {json.dumps(figures)}")
    return figures


def choose(clips: Sequence[MotionClip]) -> list[MotionClip]:
    """The longest training clip of each of the people who count most, with enough speech if there are any."""
    said = spoken(clips, "train")
    members = [clip for clip in said if spoken_frames(clip).sum() >= _MIN_FRAMES] or said
    weight = people_balanced(members)
    ranked = sorted(members, key=lambda clip: -weight[clip.name])
    first = {clip.identity: clip for clip in reversed(ranked)}
    return sorted(first.values(), key=lambda clip: -weight[clip.name])[:_CLIPS]


def calibrated(
    model: StyleTalk, clips: Sequence[MotionClip], styles: Sequence[Float], lips: LipMap, share: float = 1.0
) -> StyleTalk:
    """Return the network with the `spread` of its speech, with which its style codes give the lips their range.

    With a ``share`` below 1 it says that other people move more than these: the range is that share of `RANGE`.
    """
    plain, result = (
        StyleTalk(replace(model.dimensions, calibrated=wanted)).to(model.order.device).eval()
        for wanted in (False, True)
    )
    weights = {name: value for name, value in model.state_dict().items() if name in plain.state_dict()}
    plain.load_state_dict(weights)
    articulators = lips.articulators[list(model.dimensions.lower)]
    measured = {
        "lip_spread": spread(plain, clips, styles) / np.float32(share**2),
        "lip_articulators": articulators,
        "lip_back": _back(articulators, styles),
    }
    result.load_state_dict(weights | {name: torch.from_numpy(value) for name, value in measured.items()})
    return result


def _back(articulators: Float, styles: Sequence[Float]) -> Float:
    """Coefficients of the lower face (13, A) that move one of the articulators (13, A) each, as usual ones do."""
    usual = np.mean([style[:, : len(articulators)].std(axis=0) for style in styles], axis=0)[:, None]
    return np.asarray(usual * np.linalg.pinv((articulators * usual).T, rcond=_RANK), np.float32)


def spread(model: StyleTalk, clips: Sequence[MotionClip], styles: Sequence[Float]) -> Float:
    """Covariance (13, 13) of the lower face in speech, in units of the style's deviations.

    Mean over styles, each given as real motion (L, 64), in which every `len(styles)`-th clip is said.
    """
    d = model.dimensions
    lower = list(d.lower)
    parts = []
    for start, style in enumerate(styles):
        deviation = model.encode_style(torch.from_numpy(style)).exp().numpy()[-d.coefficients :][lower]
        for clip in clips[start % len(clips) :: len(styles)]:
            moved = generate(model, clip, style, _FUTURE)[spoken_frames(clip)][:, lower]
            parts.append(np.cov((moved / deviation).T))
    return np.asarray(np.mean(parts, axis=0), np.float32)
