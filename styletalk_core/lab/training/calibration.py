"""Calibrates how far the lips of a finished network go in each direction: `styletalk train motion-calibration`.

What the words tell of a mouth's width is less than of its opening, and a network moves as far as it is sure. The
range of every articulator is measured on the training people, each in the style of the own clip, and the output layer
turned so that all ranges become `RANGE`. It works in units of the style's deviation, and so goes with every style.

Runs on: the main thread of the command line; seconds.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training.alignment import read_clips_in_step
from styletalk_core.lab.training.batches import people_balanced
from styletalk_core.lab.training.clips import MotionClip, spoken
from styletalk_core.lab.training.evaluation import generate
from styletalk_core.lab.training.lips import LIP_ARTICULATORS, LipMap
from styletalk_core.lab.training.motion import judge_groups
from styletalk_core.models import checkpoint
from styletalk_core.models.dimensions import MESH64_LOWER
from styletalk_core.models.styletalk import StyleTalk

RANGE: Final = 0.8
"""Deviation of every articulator, as a share of the truth's: more costs lip error, because half of the motion is not
in the words."""
_ROUNDS: Final = 3
_MIN_FRAMES: Final = 60
_FUTURE: Final = 2
_CLIPS: Final = 40
_RANK: Final = 1e-2
"""Directions that hardly move an articulator stay as they are."""
_TINY: Final = 1e-6

Float = NDArray[np.float32]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk train motion-calibration`."""
    parser.add_argument("--weights", type=Path, required=True, help="result of `styletalk train motion`")
    parser.add_argument("--data", type=Path, required=True, help="folder of `styletalk dataset build`")
    parser.add_argument("--manifest", type=Path, required=True, help="video/manifest.tsv of the data folder")
    parser.add_argument("--output", type=Path, required=True, help="weight file to write")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the calibrated network and returns its figures on people never trained on.

    Raises:
        InputError: the data cannot be used.
        CheckpointError: the weights cannot be used.
    """
    stored, lips = checkpoint.load(args.weights), LipMap.of(FaceModel.load())
    clips = read_clips_in_step(args.data, args.manifest, lips)
    gains = calibrate(stored.model, choose(clips), lips)
    figures = judge_groups(stored.model, clips, lips)
    calibration = {"range": RANGE} | dict(zip(LIP_ARTICULATORS, np.round(gains, 3).tolist(), strict=True))
    card = stored.card | {"calibration": calibration, "figures_on_unseen": figures}
    checkpoint.save(stored.model, card, args.output, torch.float16)
    if not args.json:
        print(f"{args.output}: {json.dumps(calibration)}")
    return figures | {"calibration": calibration}


def choose(clips: Sequence[MotionClip]) -> list[MotionClip]:
    """The longest training clip of each of the people who count most."""
    members = [clip for clip in spoken(clips, "train") if len(clip.coefficients) >= _MIN_FRAMES]
    weight = people_balanced(members)
    ranked = sorted(members, key=lambda clip: -weight[clip.name])
    first = {clip.person or clip.name: clip for clip in reversed(ranked)}
    return sorted(first.values(), key=lambda clip: -weight[clip.name])[:_CLIPS]


def calibrate(model: StyleTalk, clips: Sequence[MotionClip], lips: LipMap) -> Float:
    """Turns the last layer of the lower face until every articulator has `RANGE`; returns the gain of each, (6,)."""
    deviation = np.mean([clip.coefficients[:, : len(MESH64_LOWER)].std(axis=0) for clip in clips], axis=0)
    total = np.ones(len(LIP_ARTICULATORS), np.float32)
    for _ in range(_ROUNDS):
        gain = RANGE / ranges(model, clips, lips)
        _turn(model, _widening(gain, lips, deviation))
        total *= gain
    return total


def ranges(model: StyleTalk, clips: Sequence[MotionClip], lips: LipMap) -> Float:
    """Deviation of each articulator in the clips' own styles over the truth's: geometric mean over clips, (6,)."""
    shares = []
    for clip in clips:
        found, true = (
            lips.articulated(motion).std(axis=0)
            for motion in (generate(model, clip, clip.coefficients, _FUTURE), clip.coefficients)
        )
        shares.append(np.log((found + _TINY) / (true + _TINY)))
    return np.asarray(np.exp(np.mean(shares, axis=0)), np.float32)


def _widening(gain: Float, lips: LipMap, deviation: Float) -> Float:
    """Map (13, 13) of the lower face, in units of ``deviation`` (13,), that multiplies each articulator by its gain."""
    directions = lips.articulators[: len(deviation)] * deviation[:, None]
    back = np.linalg.pinv(directions.T, rcond=_RANK)
    return np.asarray(np.eye(len(deviation)) + back @ np.diag(gain - 1) @ directions.T, np.float32)


@torch.no_grad()
def _turn(model: StyleTalk, turning: Float) -> None:
    last, matrix = model.lower.tail[-1], torch.from_numpy(turning)
    assert isinstance(last, torch.nn.Linear)
    last.weight.copy_(matrix @ last.weight)
    last.bias.copy_(matrix @ last.bias)
