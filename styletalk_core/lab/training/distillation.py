"""Distils several motion networks into the lower-face decoder of one: `styletalk train motion-distilled`.

The mean of different networks follows the words better than any of them, and all of them do with more look-ahead; see
`lessons`. The student learns it with the look-ahead of a session and after steadying. Nothing asks for the range of
motion: an estimate that is as small as the words are uncertain follows them best, and `motion-calibration` gives every
style its range.

Runs on: the main thread of the command line; CPU.
"""

import argparse
import copy
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.dataset import add_licence_argument
from styletalk_core.lab.training.alignment import read_clips_in_step
from styletalk_core.lab.training.batches import at_closures
from styletalk_core.lab.training.lessons import LessonBatch, Lessons, lower_face, lower_maps, style_clips, teach
from styletalk_core.lab.training.lips import CLOSED, LIP_ARTICULATORS, LipMap
from styletalk_core.lab.training.motion import judge_groups
from styletalk_core.lab.training.objectives import apart, closure_loss
from styletalk_core.lab.training.posing import Posing, posed_copies
from styletalk_core.lab.training.trainer import drop_hidden, drop_learnt, learning_rate, update_average
from styletalk_core.models import checkpoint
from styletalk_core.models.steadying import SHARE
from styletalk_core.models.styletalk import StyleTalk

_DROPOUT: Final = 0.2
"""Of hidden units and of the learnt part of the style code."""
_WARMUP: Final = 40
_AVERAGE: Final = 0.99
"""Decay of the moving average of the weights, which is written."""
_CLIP_NORM: Final = 1.0
_EVERY: Final = 100
"""Steps between reports."""
_ARTICULATOR_WEIGHT: Final = 3.0
_JITTER, _CALM = 0.05, 0.7
"""Weight of trembling, and its share in the target that costs nothing."""
_CONTACTS: Final = 2
"""P, B and M that are said in another style for each sequence."""
_POSED: Final = 2
"""Styles for each clip of free material, which shows none: copies in drawn expressions."""
_TINY: Final = 1e-6

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk train motion-distilled`."""
    parser.add_argument("--start", type=Path, nargs="+", required=True, help="weight files; their mean is trained")
    parser.add_argument("--teachers", type=Path, nargs="+", required=True, help="weight files whose motion is learnt")
    parser.add_argument("--data", type=Path, required=True, help="folder of `styletalk dataset build`")
    parser.add_argument("--manifest", type=Path, required=True, help="video/manifest.tsv of the data folder")
    add_licence_argument(parser)
    parser.add_argument("--output", type=Path, required=True, help="weight file to write")
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--rate", type=float, default=4e-4, help="peak learning rate")
    parser.add_argument(
        "--closure", type=float, default=0.05, help="weight of lips that stay open on P, B and M (default: 0.05)"
    )
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Trains, writes the weights and returns their figures on people never trained on.

    Raises:
        InputError: the data cannot be used, or the networks do not fit together.
        CheckpointError: weights cannot be used.
    """
    starts = [checkpoint.load(path) for path in args.start]
    teachers = [checkpoint.load(path).model.eval() for path in args.teachers]
    face = FaceModel.load()
    lips = LipMap.of(face)
    clips = read_clips_in_step(args.data, args.manifest, lips, args.licence)
    if args.licence == "free":
        train = [clip for clip in clips if clip.split == "train"]
        clips += posed_copies(train, Posing(face, lips), _POSED * len(train), args.seed)
    start = mean_network([stored.model for stored in starts])
    training = Distillation(start, lips, args.rate, args.seed, args.closure)
    lessons = Lessons(training.model, teach(teachers, clips, args.seed), style_clips(clips), lips, args.seed)
    for step in range(args.steps):
        terms = training.train_step(lessons[step], step, args.steps)
        if (step + 1) % _EVERY == 0:
            logger.info("step %d  %s", step + 1, "  ".join(f"{name} {value:.3f}" for name, value in terms.items()))
    figures = judge_groups(training.average, clips, lips)
    card = {**starts[0].card, "distillation": {"steps": args.steps}, "figures_on_unseen": figures}
    checkpoint.save(training.average, card, args.output, torch.float16)
    if not args.json:
        print(f"{args.output}: {json.dumps(figures)}")
    return figures


def mean_network(models: Sequence[StyleTalk]) -> StyleTalk:
    """Network with the mean of the weights of several that were trained from the same one.

    Raises:
        InputError: they differ in their dimensions, or are calibrated.
    """
    first = models[0]
    if any(model.dimensions != first.dimensions for model in models) or first.dimensions.calibrated:
        raise InputError("--start needs networks of the same dimensions, before `motion-calibration`")
    states = [model.state_dict() for model in models]
    mean = copy.deepcopy(first)
    mean.load_state_dict({name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]})
    return mean


class Distillation:
    """One training run: the network, its optimiser and the average of its weights that is kept.

    ``closure`` is the weight of lips that stay open on P, B and M in the target's style, and in another.
    """

    def __init__(self, start: StyleTalk, lips: LipMap, rate: float, seed: int, closure: float = 0.05) -> None:
        self.model = start
        self._rate, self._seed, self._closure = rate, seed, closure
        self.model.requires_grad_(False)
        self.model.lower.requires_grad_(True)
        self.average = copy.deepcopy(start).eval()
        drop_hidden(self.model, _DROPOUT)
        self._signals, self._landmarks = lower_maps(lips)
        self._gap = lips.tensors()[1][: len(self._signals)]
        self._trained = list(self.model.lower.parameters())
        self._optimiser = torch.optim.Adam(self._trained, lr=rate, betas=(0.9, 0.98))

    def train_step(self, batch: LessonBatch, step: int, steps: int) -> dict[str, float]:
        """Runs step ``step`` of ``steps``; returns the weighted loss terms."""
        torch.manual_seed(self._seed * 1_000_003 + step)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self._rate, _WARMUP, step, step / steps)
        self.model.train()
        terms = self._terms(batch, step)
        self._optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._trained, _CLIP_NORM)
        self._optimiser.step()
        update_average(self.average.lower, self.model.lower, _AVERAGE, step)
        return {name: value.item() for name, value in terms.items()}

    def _terms(self, batch: LessonBatch, step: int) -> dict[str, Tensor]:
        decoded = self._decode(batch.phones, batch.code)
        found, true = decoded[:, 1:] + SHARE * (decoded[:, :-1] - decoded[:, 1:]), batch.target[:, 1:]
        off = (found - true) @ self._signals / batch.scale
        lips = slice(0, len(LIP_ARTICULATORS))
        shaking, usual = (
            (motion @ self._signals / batch.scale)[..., lips].diff(n=3, dim=1).abs().mean(dim=(0, 1))
            for motion in (found, true)
        )
        return {
            "signals": signal_distance(off),
            "landmarks": (landmark_distance((found - true) @ self._landmarks) / batch.distance).mean(),
            "jitter": _JITTER * (F.relu(shaking - _CALM * usual) / (usual + 0.02)).mean(),
            "closure": self._closure * closure_loss(found @ self._gap, true @ self._gap, batch.heard[:, 1:]),
            "contact": self._closure * self._contact(batch, step),
        }

    def _contact(self, batch: LessonBatch, step: int) -> Tensor:
        """Gap of the lips on P, B and M of the batch, each said in the style of another sequence."""
        closures = at_closures(batch.phones.flatten(0, 1).numpy())
        if not len(closures):
            return batch.target.new_zeros(())
        random = np.random.default_rng([self._seed, step])
        chosen = closures[random.integers(len(closures), size=(len(batch.code), _CONTACTS))]
        self.model.eval()  # whether lips meet must not be dropout's
        met = self._decode(torch.from_numpy(chosen), batch.code[torch.randperm(len(batch.code))])
        self.model.train()
        return apart(met @ self._gap).mean() / CLOSED

    def _decode(self, phones: Tensor, code: Tensor) -> Tensor:
        state = self.model.mix_style(drop_learnt(self.model, code, _DROPOUT))
        return lower_face(self.model, phones, state)


def signal_distance(off: Tensor) -> Tensor:
    """Huber distance of articulators and coefficients (S, N, 6 + 13), in deviations of the style."""
    weight = torch.ones(off.shape[-1])
    weight[: len(LIP_ARTICULATORS)] = _ARTICULATOR_WEIGHT
    return (2 * F.huber_loss(off, torch.zeros_like(off), reduction="none") * weight).sum(dim=-1).mean() / weight.sum()


def landmark_distance(off: Tensor) -> Tensor:
    """Mean length (S,) of displacements (S, N, 80) of lip landmarks x y."""
    squared: Tensor = off.reshape(*off.shape[:2], -1, 2).square().sum(dim=-1)
    return (squared + _TINY).sqrt().mean(dim=(1, 2))
