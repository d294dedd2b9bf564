"""What each part is for: `styletalk train ablations` trains one network per missing part, all with the same budget.

Rows as in Table 2 of the paper: without style-aware adaptive layers, with 4 or 16 experts, without each loss. Judges
every network on people never trained on, adds the look-ahead curve of the shipped network, and writes both into
``docs/results.md`` with plots. A run that was stopped goes on with the next row.

Runs on: the main thread of the command line.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from styletalk_core import checkpoint
from styletalk_core.face_model import FaceModel
from styletalk_core.styles import EMOTIONS, StyleLibrary
from styletalk_core.styletalk import StyleTalk
from styletalk_core.training import config as settings
from styletalk_core.training.alignment import read_clips_in_step
from styletalk_core.training.batches import Batches
from styletalk_core.training.clips import Clip
from styletalk_core.training.config import Config
from styletalk_core.training.evaluation import evaluate, look_ahead_curve, style_accuracy
from styletalk_core.training.lips import LipMap
from styletalk_core.training.mirror import mirror_map
from styletalk_core.training.motion import unseen_people
from styletalk_core.training.results import write_ablations, write_look_ahead
from styletalk_core.training.trainer import MotionTraining
from styletalk_core.weights import MOTION_WEIGHTS

FULL: Final = "full"
_LOSSES: Final = ("sync", "style", "temporal", "triplet", "closure", "manner")
_JUDGED_FRAMES: Final = 300
"""Frames of each unseen clip that are judged."""

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk train ablations`."""
    parser.add_argument("--config", type=Path, default=settings.DEFAULT, help="settings of the full network, TOML")
    parser.add_argument("--data", type=Path, required=True, help="folder of `styletalk dataset build`")
    parser.add_argument("--manifest", type=Path, required=True, help="video/manifest.tsv of the data folder")
    parser.add_argument("--output", type=Path, default=Path("artefacts/ablations"), help="folder of the figures so far")
    parser.add_argument("--steps", type=int, default=300, help="training steps of every row (300)")
    parser.add_argument("--results", type=Path, default=Path("docs/results.md"), help="page to write the tables into")


def variants(full: Config) -> dict[str, Config]:
    """The rows of the table: what is missing, and the settings without it."""
    rows = {
        FULL: full,
        "no adaptive layers": _network(full, 1),
        "K = 4": _network(full, 4),
        "K = 16": _network(full, 16),
    }
    rows |= {f"no {loss} loss": replace(full, objective=replace(full.objective, **{loss: 0.0})) for loss in _LOSSES}
    return rows


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Trains what is missing in ``--output`` and writes the page; returns the figures by row and by look-ahead.

    Raises:
        InputError: settings or data cannot be used.
        DivergenceError: a loss is not finite.
    """
    full = settings.read(args.config)
    full = replace(full, optimisation=replace(full.optimisation, steps=args.steps))
    lips = LipMap.of(FaceModel.load())
    clips = read_clips_in_step(args.data, args.manifest, lips, full.data.licence)
    judged = [_beginning(clip) for clip in unseen_people(clips)]
    args.output.mkdir(parents=True, exist_ok=True)
    store = args.output / "ablations.json"
    rows: dict[str, dict[str, float]] = json.loads(store.read_text()) if store.exists() else {}
    for name, config in variants(full).items():
        if name not in rows:
            rows[name] = _figures(_trained(config, clips, lips), judged, lips)
            store.write_text(json.dumps(rows, indent=1))
            logger.info("%s: %s", name, rows[name])
    curve = look_ahead_curve(checkpoint.load(MOTION_WEIGHTS).model, judged, lips)
    write_ablations(args.results, rows, args.steps)
    write_look_ahead(args.results, curve)
    return {"ablations": rows, "look_ahead": {str(future): row for future, row in curve.items()}}


def _network(full: Config, experts: int) -> Config:
    return replace(full, network=replace(full.network, experts=experts))


def _beginning(clip: Clip) -> Clip:
    assert clip.phones is not None
    return replace(clip, coefficients=clip.coefficients[:_JUDGED_FRAMES], phones=clip.phones[:_JUDGED_FRAMES])


def _trained(config: Config, clips: Sequence[Clip], lips: LipMap) -> StyleTalk:
    train = [clip for clip in clips if clip.split == "train"]
    batches = Batches(train, config.data, config.augmentation, lips, mirror_map(FaceModel.load()))
    training = MotionTraining(config, batches, lips, torch.device("cpu"))
    steps = config.optimisation.steps
    while training.step < steps:
        training.train_step(training.step / steps)
    return training.average


def _figures(model: StyleTalk, judged: Sequence[Clip], lips: LipMap) -> dict[str, float]:
    library = StyleLibrary(Path())
    styles = [Clip(name, "", name, "train", library.get(name).coefficients, None) for name in EMOTIONS]
    accuracy = style_accuracy(model, judged[-1:], styles)
    return evaluate(model, judged, lips).mean() | {"style_accuracy": round(accuracy, 3)}
