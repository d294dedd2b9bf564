"""Ablation study, `styletalk train ablations`: one network per removed component, all with the same training budget.

Rows as in Table 2 of the paper: without style-aware adaptive layers, with 4 or 16 experts, without each loss. Two rows
are added: one without the statistics that this project adds to the style code (or with them, if the full network has
none), and the full network with another seed, which shows the variation due to chance. Every network is evaluated on
people outside the training set. The tables, the look-ahead curve of the shipped network and the plots go into
``docs/results.md``, one section per settings file. An interrupted run continues where it stopped.

Runs on: the main thread of the command line.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import torch

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.evaluation.judgement import said_in
from styletalk_core.lab.training import config as settings
from styletalk_core.lab.training.alignment import read_clips_in_step
from styletalk_core.lab.training.batches import Batches
from styletalk_core.lab.training.clips import MotionClip
from styletalk_core.lab.training.config import Config
from styletalk_core.lab.training.evaluation import evaluate, look_ahead_curve
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.mirror import mirror_map
from styletalk_core.lab.training.motion import Progress, unseen_people, unseen_people_of_grid
from styletalk_core.lab.training.results import write_ablations, write_look_ahead
from styletalk_core.lab.training.trainer import MotionTraining
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.models import checkpoint
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.weights import MOTION, packaged_weights

SETTINGS: Final = Path(__file__).with_name("ablations.toml")
FULL: Final = "full"
_LOSSES: Final = ("sync", "style", "temporal", "triplet")
_FUTURE: Final = 2
"""Look-ahead in frames, the same as in presenter sessions and `styletalk evaluate`."""

Rows = dict[str, dict[str, float]]

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk train ablations`."""
    parser.add_argument("--config", type=Path, default=SETTINGS, help="settings of the full network, TOML")
    parser.add_argument("--data", type=Path, required=True, help="folder of `styletalk dataset build`")
    parser.add_argument("--manifest", type=Path, required=True, help="video/manifest.tsv of the data folder")
    parser.add_argument("--output", type=Path, default=Path("artefacts/ablations"), help="folder of partial results")
    parser.add_argument("--steps", type=int, help="training steps per row (default: from the settings)")
    parser.add_argument("--results", type=Path, default=Path("docs/results.md"), help="page to write the tables to")


def variants(full: Config) -> dict[str, Config]:
    """Rows of the table: the name of each variant and its settings."""
    statistics = full.network.statistics
    rows = {
        FULL: full,
        "full, another seed": replace(full, data=replace(full.data, seed=full.data.seed + 1)),
        "no adaptive layers": _experts(full, 1),
        "K = 4": _experts(full, 4),
        "K = 16": _experts(full, 16),
        f"{'no ' * statistics}statistics in the style code": replace(
            full, network=replace(full.network, statistics=not statistics)
        ),
    }
    rows |= {f"no {loss} loss": replace(full, objective=replace(full.objective, **{loss: 0.0})) for loss in _LOSSES}
    return rows


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Trains the rows missing from ``--output`` and writes the page; returns the figures by row and by look-ahead.

    Raises:
        InputError: settings or data cannot be used, or ``--output`` holds results of other settings.
        DivergenceError: a loss is not finite.
    """
    full = settings.read(args.config)
    if args.steps is not None:
        full = replace(full, optimisation=replace(full.optimisation, steps=args.steps))
    args.output.mkdir(parents=True, exist_ok=True)
    rows = _rows_so_far(args.output, full)
    lips = LipMap.of(FaceModel.load())
    clips = read_clips_in_step(args.data, args.manifest, lips, full.data.licence)
    judged = unseen_people(clips) + unseen_people_of_grid(clips)
    for name, config in variants(full).items():
        if name not in rows:
            state = args.output / f"{name}.pt"
            rows[name] = _figures(_trained(name, config, clips, lips, state), judged, lips)
            _store(args.output).write_text(json.dumps({"settings": asdict(full), "rows": rows}, indent=1))
            state.unlink(missing_ok=True)
            logger.info("%s: %s", name, rows[name])
    curve = look_ahead_curve(checkpoint.load(packaged_weights(MOTION)).model, unseen_people(clips), lips)
    write_ablations(args.results, args.config.stem, rows, full.optimisation.steps)
    write_look_ahead(args.results, curve)
    return {"ablations": rows, "look_ahead": {str(future): row for future, row in curve.items()}}


def _store(output: Path) -> Path:
    return output / "ablations.json"


def _rows_so_far(output: Path, full: Config) -> Rows:
    store = _store(output)
    if not store.exists():
        return {}
    stored = json.loads(store.read_text())
    if stored["settings"] != asdict(full):
        raise InputError(f"{store} was made with other settings; choose another --output")
    rows: Rows = stored["rows"]
    return rows


def _experts(full: Config, experts: int) -> Config:
    return replace(full, network=replace(full.network, experts=experts))


def _trained(name: str, config: Config, clips: Sequence[MotionClip], lips: LipMap, state: Path) -> StyleTalk:
    """Trains one network to its last step, saving to ``state`` regularly and resuming from it."""
    train = [clip for clip in clips if clip.split == "train"]
    batches = Batches(train, config.data, config.augmentation, lips, mirror_map(FaceModel.load()))
    training = MotionTraining(config, batches, lips, torch.device("cpu"))
    if state.exists():
        training.resume(state)
    o = config.optimisation
    while training.step < o.steps:
        terms = training.train_step(training.step / o.steps)
        if training.step % o.save_every == 0:
            training.save(state)
            logger.info("%s: %s", name, Progress(training.step, training.step / o.steps, terms))
    return training.average


def _figures(model: StyleTalk, judged: Sequence[MotionClip], lips: LipMap) -> dict[str, float]:
    library = StyleLibrary(Path())
    styles = {name: library.get(name).coefficients for name in library.emotions()}
    accuracy = said_in(styles, judged, model, lips, _FUTURE).accuracy
    return evaluate(model, judged, lips, _FUTURE).mean() | {"style_accuracy": round(accuracy, 3)}
