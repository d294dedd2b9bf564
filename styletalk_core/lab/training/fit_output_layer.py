"""Refits the output layers of the lower face on a trained decoder: `styletalk train motion-output`.

Adversarial training leaves the output layers at a balance of many loss terms, although the features before them allow
better output. The features are computed once; the few output weights are then fitted in seconds, by least squares on
lip positions in pixels, with lip closure and jitter terms. Least squares underestimates the range of motion, so the
output is scaled by `LIVELINESS`. Speech in another person's style has no ground truth; there the deviation of the
mouth's opening must match that of the style's own clip.

Runs on: the main thread of the command line; half a minute on one core.
"""

import argparse
import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training.alignment import read_clips_in_step
from styletalk_core.lab.training.batches import USUAL_WEIGHT, frame_weight
from styletalk_core.lab.training.clips import MotionClip, spoken, windows
from styletalk_core.lab.training.evaluation import PIXELS
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.motion import judge_groups
from styletalk_core.lab.training.objectives import closure_loss, jitter
from styletalk_core.models import checkpoint
from styletalk_core.models.dimensions import MESH64_LOWER, OPENING
from styletalk_core.models.styletalk import StyleState, StyleTalk, in_style
from styletalk_core.phones import CLOSED_LIPS, CONTEXT, PHONES

LIVELINESS: Final = {"opening": 1.06, "other": 1.05}
"""Scale factors on the output, with which the mouth opening of the dev split has its true range and closes more."""
RANGE: Final = 1.0
"""Deviation of the mouth's opening in another person's style, relative to that of the style's own clip."""
_STEPS: Final = 1200
_RATE: Final = 2e-3
_WARMUP: Final = 30
_DECAY: Final = 0.05
_DROPOUT: Final = 0.15
_SEGMENTS: Final = 48
_FRAMES: Final = 24
_STRETCHES: Final = 8
"""Spans of speech decoded in each style of another person."""
_STRETCH: Final = 72
"""Length of such a span, frames."""
_STYLES: Final = 5
"""Styles per training step."""
_CLOSURE: Final = 3.0
_TREMBLING: Final = 1.0
_FOREIGN_CLOSURE: Final = 0.1
_FOREIGN_RANGE: Final = 5.0
_COEFFICIENTS: Final = 0.3
"""Weight of the coefficient error, which preserves motion that is invisible from the front, such as pouting."""
_AVERAGE: Final = 0.97


@dataclass(frozen=True, slots=True)
class Spoken:
    """Training data of one clip, T frames: inputs of the output layers and their targets."""

    features: Tensor
    """(T, C) float16"""
    columns: Tensor
    """(T, 41): phone probabilities of each frame."""
    target: Tensor
    """(T, 13): true coefficients of the lower face."""
    mean: Tensor
    """(64,): see `StyleState.mean`."""
    std: Tensor
    """(64,)"""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Training data of one style applied to spans of other clips: inputs of the output layers."""

    features: Tensor
    """(S, F, C) float16"""
    columns: Tensor
    """(S, F, 41): one-hot phone of each frame, P, B and M only."""
    mean: Tensor
    std: Tensor
    deviation: float
    """Standard deviation of the mouth's opening in the style's own clip."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk train motion-output`."""
    parser.add_argument("--weights", type=Path, required=True, help="result of `styletalk train motion`")
    parser.add_argument("--data", type=Path, required=True, help="folder of `styletalk dataset build`")
    parser.add_argument("--manifest", type=Path, required=True, help="video/manifest.tsv of the data folder")
    parser.add_argument("--output", type=Path, required=True, help="weight file to write")
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the fitted network and returns its metrics on people outside the training set.

    Raises:
        InputError: the data cannot be used, or the network's style codes contain no statistics.
        CheckpointError: the weights cannot be used.
    """
    stored = checkpoint.load(args.weights)
    if not stored.model.dimensions.statistics:
        raise InputError(f"{args.weights} has style codes without statistics; train it with network.statistics = true")
    lips = LipMap.of(FaceModel.load())
    clips = read_clips_in_step(args.data, args.manifest, lips)
    own = read_features(stored.model, balanced(clips, args.seed), args.seed)
    fit_output_layer(stored.model, own, read_foreign(stored.model, clips, lips, args.seed), lips, args.seed)
    figures = judge_groups(stored.model, clips, lips)
    fit = {"steps": _STEPS, "liveliness": LIVELINESS, "range": RANGE}
    card = stored.card | {"output_fit": fit, "figures_on_unseen": figures}
    checkpoint.save(stored.model, card, args.output, torch.float16)
    if not args.json:
        print(f"{args.output}: {json.dumps(figures, indent=1)}")
    return figures


def balanced(clips: Sequence[MotionClip], seed: int) -> list[MotionClip]:
    """Selects the clips to fit on; large, uniform sources are subsampled by their frame weight."""
    random = np.random.default_rng(seed)
    members = [clip for clip in spoken(clips, "train") if len(clip.coefficients) >= _FRAMES]
    worth = np.array([frame_weight(clip) / USUAL_WEIGHT for clip in members])
    return [clip for clip, kept in zip(members, random.random(len(members)) < worth, strict=True) if kept]


def read_features(model: StyleTalk, clips: Sequence[MotionClip], seed: int) -> list[Spoken]:
    """Decodes every clip in its own style, with a random look-ahead."""
    random = np.random.default_rng(seed)
    result = []
    for clip in clips:
        assert clip.phones is not None
        cut = windows(clip.phones, int(random.integers(1, CONTEXT + 1)))
        features, state = _before_output(model, cut, clip.coefficients)
        columns, target = (torch.from_numpy(x) for x in (clip.phones, clip.coefficients[:, list(MESH64_LOWER)]))
        result.append(Spoken(features, columns, target, state.mean[0].clone(), state.std[0].clone()))
    return result


def read_foreign(model: StyleTalk, clips: Sequence[MotionClip], lips: LipMap, seed: int) -> list[Foreign]:
    """Decodes random spans of the training clips in every known style, taken from its longest training clip."""
    random = np.random.default_rng(seed)
    members = [clip for clip in spoken(clips, "train") if len(clip.coefficients) >= _STRETCH]
    worth = np.array([len(clip.coefficients) * frame_weight(clip) for clip in members])
    by_length = sorted(clips, key=lambda clip: len(clip.coefficients))
    of_style = {clip.style: clip for clip in by_length if clip.split == "train" and clip.style}
    bilabial = np.isin(np.arange(len(PHONES)), CLOSED_LIPS)
    result = []
    for style in of_style.values():
        chosen = random.choice(len(members), _STRETCHES, p=worth / worth.sum())
        said = np.concatenate([_stretch(members[index], random) for index in chosen])
        features, state = _before_output(model, said, style.coefficients)
        heard = np.eye(len(PHONES), dtype=np.float32)[said[:, CONTEXT].argmax(axis=1)] * bilabial
        result.append(
            Foreign(
                features.reshape(_STRETCHES, _STRETCH, -1),
                torch.from_numpy(heard).reshape(_STRETCHES, _STRETCH, -1),
                state.mean[0].clone(),
                state.std[0].clone(),
                float(lips.opening(style.coefficients).std()),
            )
        )
    return result


def _stretch(clip: MotionClip, random: np.random.Generator) -> NDArray[np.float32]:
    """Windows (F, 11, 41) of a random span of a clip, with a random look-ahead."""
    assert clip.phones is not None
    start = int(random.integers(len(clip.phones) - _STRETCH + 1))
    return windows(clip.phones[start : start + _STRETCH], int(random.integers(1, CONTEXT + 1)))


@torch.inference_mode()
def _before_output(model: StyleTalk, cut: NDArray[np.float32], style: NDArray[np.float32]) -> tuple[Tensor, StyleState]:
    """Inputs (T, C) float16 of the lower face's output layers for windows (T, 11, 41) in the style of a clip."""
    seen: list[Tensor] = []
    hook = model.lower.tail.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].half()))
    state = model.mix_style(model.encode_style(torch.from_numpy(style))[None])
    for part in torch.split(torch.from_numpy(cut), 512):
        model.decode(part[None], state)
    hook.remove()
    return torch.cat(seen).clone(), state


def fit_output_layer(
    model: StyleTalk, clips: Sequence[Spoken], foreign: Sequence[Foreign], lips: LipMap, seed: int
) -> None:
    """Replaces the output layers of the lower face; deterministic for a seed."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    tail, average = (copy.deepcopy(model.lower.tail).requires_grad_() for _ in range(2))
    optimiser = torch.optim.AdamW(tail.parameters(), _RATE, weight_decay=_DECAY)
    share = np.array([len(clip.target) for clip in clips])
    for step in range(_STEPS):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / _WARMUP) * (1 + np.cos(np.pi * step / _STEPS)) / 2
        chosen = random.choice(len(clips), _SEGMENTS, p=share / share.sum())
        loss = _loss(tail, [_segment(clips[index], random) for index in chosen], lips)
        styles = random.choice(len(foreign), _STYLES)
        loss = loss + _foreign_loss(tail, [foreign[index] for index in styles], lips)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            for kept, value in zip(average.parameters(), tail.parameters(), strict=True):
                kept.lerp_(value, max(1 - _AVERAGE, 1 / (step + 1)))
    stretch = torch.full((len(MESH64_LOWER),), LIVELINESS["other"])
    stretch[OPENING] = LIVELINESS["opening"]
    fitted = average.state_dict()
    weight, bias = list(fitted)[-2:]
    fitted |= {weight: fitted[weight] * stretch[:, None], bias: fitted[bias] * stretch}
    model.lower.tail.load_state_dict(fitted)


def _segment(clip: Spoken, random: np.random.Generator) -> Spoken:
    """A random span of a clip."""
    start = int(random.integers(len(clip.target) - _FRAMES + 1))
    part = slice(start, start + _FRAMES)
    return Spoken(clip.features[part], clip.columns[part], clip.target[part], clip.mean, clip.std)


def _loss(tail: nn.Sequential, segments: Sequence[Spoken], lips: LipMap) -> Tensor:
    """Squared errors of lips, opening (both px) and coefficients, plus the lip closure and jitter terms."""
    features, columns, true = (torch.stack([getattr(s, name) for s in segments]) for name in Spoken.__slots__[:3])
    found = _found(tail, F.dropout(features.float(), _DROPOUT), segments)
    landmarks, gap = (tensor[: true.shape[-1]] for tensor in lips.tensors())
    seen = PIXELS * landmarks.reshape(len(landmarks), -1, 3)[..., :2].flatten(1)
    points, true_points, opening, true_opening = found @ seen, true @ seen, found @ gap, true @ gap
    distance: Tensor = (
        (points - true_points).square().mean() / 4
        + (PIXELS * (opening - true_opening)).square().mean() / 8
        + _COEFFICIENTS * (found - true).square().mean()
    )
    return distance + _CLOSURE * closure_loss(opening, true_opening, columns) + _TREMBLING * jitter(points, true_points)


def _foreign_loss(tail: nn.Sequential, styles: Sequence[Foreign], lips: LipMap) -> Tensor:
    """Lip closure loss, plus the squared difference of each style's relative mouth opening range from `RANGE`."""
    features = torch.stack([style.features for style in styles]).flatten(1, 2).float()
    found = _found(tail, features, styles)
    opening = (found @ lips.tensors()[1][: found.shape[-1]]).reshape(-1, _STRETCH)
    apart = closure_loss(opening, torch.zeros_like(opening), torch.cat([style.columns for style in styles]))
    own = torch.tensor([style.deviation for style in styles])
    reached = LIVELINESS["opening"] * opening.std(dim=1).reshape(-1, _STRETCHES).mean(dim=1) / own
    return _FOREIGN_CLOSURE * apart + _FOREIGN_RANGE * (reached / RANGE - 1).square().mean()


def _found(tail: nn.Sequential, features: Tensor, styles: Sequence[Spoken | Foreign]) -> Tensor:
    """Coefficients of the lower face (S, F, 13) for features (S, F, C), each row in its style."""
    mean, std = (torch.stack([getattr(s, name) for s in styles])[:, None] for name in ("mean", "std"))
    moved = tail(features)
    lower = moved.shape[-1]
    found: Tensor = in_style(F.pad(moved, (0, mean.shape[-1] - lower)), mean, std)[..., :lower]
    return found
