"""Trains the motion network: phones and a style clip to expression coefficients (sections 3.4 and 4.1).

Saves a resumable state (``last.pt``) and the weight file at regular intervals; both are replaced only when complete.
Deterministic for a given seed and number of steps. ``--minutes`` limits the time instead; the learning rate schedule
then follows the time.

Runs on: the main thread of `styletalk train motion`; CPU (bfloat16 where the processor has it) or CUDA.
"""

import argparse
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training import config as settings
from styletalk_core.lab.training.alignment import REFERENCE, read_clips_in_step
from styletalk_core.lab.training.batches import Batches
from styletalk_core.lab.training.clips import MotionClip, spoken
from styletalk_core.lab.training.evaluation import evaluate, look_ahead_curve
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.mirror import mirror_map
from styletalk_core.lab.training.model_card import model_card
from styletalk_core.lab.training.posing import Posing
from styletalk_core.lab.training.trainer import MotionTraining
from styletalk_core.models import checkpoint
from styletalk_core.models.styletalk import StyleTalk

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """Mean of each loss term since the last report."""

    step: int
    share: float
    terms: Mapping[str, float]

    def __str__(self) -> str:
        terms = "  ".join(f"{name} {value:.3f}" for name, value in self.terms.items())
        return f"step {self.step} ({self.share:.0%})  {terms}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk train motion`."""
    parser.add_argument("--config", type=Path, default=settings.DEFAULT, help="settings, TOML")
    parser.add_argument("--data", type=Path, help="folder of `styletalk dataset build` (default: from the settings)")
    parser.add_argument("--manifest", type=Path, required=True, help="video/manifest.tsv of the data folder")
    parser.add_argument("--output", type=Path, default=Path("artefacts/motion"), help="output folder")
    parser.add_argument("--start", type=Path, help="weight file to start from; missing tensors are initialised")
    parser.add_argument("--minutes", type=float, help="stop after this time instead of after a number of steps")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tensorboard", action="store_true", help="log to OUTPUT/events (needs tensorboard)")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Trains, evaluates on people outside the training set, and returns the metrics.

    Raises:
        InputError: settings or data cannot be used.
        DivergenceError: a loss is not finite.
    """
    config = settings.read(args.config)
    face = FaceModel.load()
    lips = LipMap.of(face)
    clips = read_clips_in_step(args.data or Path(config.data.folder), args.manifest, lips, config.data.licence)
    train = [clip for clip in clips if clip.split == "train"]
    batches = Batches(train, config.data, config.augmentation, lips, mirror_map(face), Posing(face, lips))
    training = MotionTraining(config, batches, lips, torch.device(args.device))
    args.output.mkdir(parents=True, exist_ok=True)
    if (args.output / "last.pt").exists():
        training.resume(args.output / "last.pt")
    elif args.start is not None:
        training.start_from(args.start)
    figures = _train(training, clips, lips, args)
    curve = look_ahead_curve(training.average, unseen_people(clips), lips)
    return figures | {"look_ahead": {str(future): row for future, row in curve.items()}}


def unseen_people(clips: Sequence[MotionClip]) -> list[MotionClip]:
    """In-the-wild speech clips of people outside the training set: the dev split, and the test split without GRID."""
    return spoken(clips, "dev") + [clip for clip in spoken(clips, "test") if clip.source != REFERENCE]


def unseen_people_of_grid(clips: Sequence[MotionClip]) -> list[MotionClip]:
    """GRID test clips (studio recordings) of people outside the training set."""
    trained_on = {clip.style for clip in clips if clip.split == "train"}
    return [clip for clip in spoken(clips, "test") if clip.source == REFERENCE and clip.style not in trained_on]


def _train(training: MotionTraining, clips: list[MotionClip], lips: LipMap, args: argparse.Namespace) -> dict[str, Any]:
    o = training.config.optimisation
    writer = _writer(args.output / "events") if args.tensorboard else None
    begin, sums, figures = time.monotonic(), dict[str, float](), dict[str, Any]()

    def share() -> float:
        return (time.monotonic() - begin) / 60 / args.minutes if args.minutes else training.step / o.steps

    while (now := share()) < 1.0:
        for name, value in training.train_step(now).items():
            sums[name] = sums.get(name, 0.0) + value
        if training.step % o.save_every and share() < 1.0:
            continue
        report = Progress(training.step, now, {name: total / o.save_every for name, total in sums.items()})
        sums.clear()
        logger.info("%s", report)
        if writer is not None:
            for name, value in report.terms.items():
                writer.add_scalar(name, value, training.step)
        training.save(args.output / "last.pt")
        figures = judge_groups(training.average, clips, lips)
        card = model_card(training.config, [c for c in clips if c.split == "train"], training.step, figures)
        checkpoint.save(training.average, card, args.output / "styletalk.safetensors", torch.float16)
        logger.info("%s", json.dumps(figures))
    return {"steps": training.step, **(figures or judge_groups(training.average, clips, lips))}


def judge_groups(model: StyleTalk, clips: list[MotionClip], lips: LipMap) -> dict[str, Any]:
    """Metrics on unseen people, in the wild and in GRID, and on held-out sentences of people in the training set."""
    unseen, unseen_of_grid = unseen_people(clips), unseen_people_of_grid(clips)
    never = {clip.name for clip in unseen + unseen_of_grid}
    groups = {
        "unseen people": unseen,
        "unseen people of GRID": unseen_of_grid,
        "held-out sentences": [clip for clip in spoken(clips, "test") if clip.name not in never],
    }
    return {name: evaluate(model, members, lips).mean() for name, members in groups.items() if members}


def _writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("--tensorboard needs the tensorboard package: pip install tensorboard") from error
    return SummaryWriter(folder)
