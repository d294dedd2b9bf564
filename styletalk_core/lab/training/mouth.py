"""Trains the network that warps and shades the skin around the mouth: `styletalk train mouth`.

Self-supervised: a reference frame of a clip, warped to another frame and retouched, should look like that frame. The
loss is the absolute error of the image and of its gradient, spatial smoothness of the fields, and their invariance to
tracker noise in the motion, which prevents flicker. Pairs are augmented by mirroring and lighting changes. In: the
videos and tracks of `styletalk dataset build`. Runs on: the command line; on one core, an hour to cut the pairs and an
hour to train.
"""

import argparse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from styletalk_core.errors import InputError
from styletalk_core.face.landmarks import MIRROR
from styletalk_core.lab.dataset import (
    CLIP_TERMS,
    VideoClip,
    add_licence_argument,
    load_track,
    people_held_out,
    read_manifest,
    track_path,
)
from styletalk_core.lab.training.mouth_crops import MouthCrops, cut_clip
from styletalk_core.rendering.mouth.retouch_network import RetouchNetwork, save
from styletalk_core.rendering.retouch_weights import CROP, POINTS
from styletalk_core.video import read_frames
from styletalk_core.weights import weight_path

_REFERENCES_A_STEP, _PAIRS_A_REFERENCE = 8, 4
_RATE, _WARM_UP, _DECAY, _AVERAGE = 2e-3, 100, 1e-2, 0.998
_EDGES, _FLOW, _FLOW_EVEN, _GAIN_EVEN, _STEADY = 0.5, 0.3, 2.0, 0.3, 0.03
"""Loss weights: error gradient, displacement, displacement smoothness, gain smoothness, noise invariance."""
_NOISE: Final = 0.06
"""Tracker noise in the units of `motion_features`: 0.006 inter-ocular distances."""
_OFTEN: Final = 0.95
"""Share of the pairs whose weights stay within `RetouchNetwork.reach`."""
_FEW_PEOPLE: Final = "Arabic newsreaders"
"""A source with many short clips, each of a different person: one reference per clip is enough."""
_CARD: Final = {
    "purpose": "displacement and shading of the skin around the mouth of a photo for landmark motion",
    "not_for": "making a real person appear to say what they did not say; passing generated video off as recorded",
}

_LIMITS: Final = {
    "all": "trained at 256 x 256 px, mostly on newsreaders; its fields are smooth and add no wrinkles",
    "free": "trained at 256 x 256 px on two people; its fields are smooth and add no wrinkles",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video/manifest.tsv")
    parser.add_argument("--cache", type=Path, required=True, help="folder with tracks/; pairs are cached in mouth/")
    add_licence_argument(parser)
    parser.add_argument("--steps", type=int, default=4000, help="batches of 32 pairs (4000)")
    parser.add_argument("--out", type=Path, help="weight file to write (mouth.safetensors of the set)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the network; returns ``error`` around the mouth of unseen people, and ``error_before`` without it.

    Raises:
        InputError: there are no tracked clips, or none of people outside the training set.
    """
    clips = [clip for clip in read_manifest(args.data, args.licence) if track_path(args.cache, clip).is_file()]
    held_out = people_held_out(clips, args.licence)
    train = [clip for clip in clips if clip.split == "train" and clip.speaker not in held_out]
    unseen = [clip for clip in clips if clip.split == "dev"]
    if not train or not unseen:
        raise InputError(f"{args.cache} needs tracked clips of the train and of the dev split")
    crops, unseen_crops = (_crops(part, args.cache) for part in (train, unseen))
    network = train_network(crops, args.steps)
    before, after = judge(network, unseen_crops)
    figures = {"error_before": round(before, 3), "error": round(after, 3)}
    sources = ", ".join(sorted({clip.source for clip in train}))
    card = (
        _CARD
        | {"terms": CLIP_TERMS[args.licence], "limits": _LIMITS[args.licence]}
        | {"trained_on": f"{len(train)} clips: {sources}", "steps": args.steps, "figures_on_unseen": figures}
    )
    out = args.out or weight_path("mouth.safetensors")
    save(network, card, out)
    if not args.json:
        print(f"{out}: {len(crops.target)} pairs; on {len(unseen)} other clips {figures}")
    return figures | {"pairs": len(crops.target), "file": str(out)}


def train_network(crops: MouthCrops, steps: int, seed: int = 0) -> RetouchNetwork:
    """Trains on ``crops`` and returns the moving average of the network's weights."""
    torch.manual_seed(seed)
    network, average = RetouchNetwork(), RetouchNetwork()
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, step / _WARM_UP) * (0.51 + 0.5 * float(np.cos(np.pi * step / steps)))
    )
    batches = _batches(crops, np.random.default_rng(seed))
    for step in tqdm(range(steps), desc="mouth", unit="batch"):
        optimizer.zero_grad()
        _loss(network, next(batches)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        share = min(_AVERAGE, 1 - 1 / (step + 1))
        with torch.no_grad():
            for kept, value in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(value, 1 - share)
    average.eval()
    _measure_reach(average, crops)
    return average


@torch.inference_mode()
def judge(network: RetouchNetwork, crops: MouthCrops) -> tuple[float, float]:
    """Mean absolute error (grey levels) around the mouth, without and with the network, averaged over clips."""
    errors = []
    for clip in np.unique(crops.clip):
        batch = _MouthBatch(crops, np.flatnonzero(crops.clip == clip), None)
        weight = _WEIGHT / _WEIGHT.sum() / 3 / len(batch.target)
        plain, drawn = batch.drawn(None), batch.drawn(batch.fields(network, batch.motion))
        errors.append([float(((image - batch.target).abs() * weight).sum()) * 255 for image in (plain, drawn)])
    before, after = np.mean(errors, axis=0)
    return float(before), float(after)


class _MouthBatch:
    """Pairs as tensors; ``generator`` mirrors them and changes their lighting, None leaves them unchanged."""

    def __init__(self, crops: MouthCrops, pairs: NDArray[np.int64], generator: np.random.Generator | None) -> None:
        references, self._of = np.unique(crops.reference[pairs], return_inverse=True)
        self.mouth, self.target, inside = (
            torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255
            for part in (crops.source[references], crops.target[pairs], crops.inside[pairs])
        )
        self._color, self._mask = inside[:, :3], inside[:, 3:]
        self._place = torch.from_numpy(crops.place[pairs]).float()
        self.motion, self._own, self._person = (
            torch.from_numpy(part) for part in (crops.motion[pairs], crops.own[references], crops.person[references])
        )
        if generator is not None:
            self._mirror(generator.random(len(references)) < 0.5)
            self._relight(generator)

    def fields(self, network: RetouchNetwork, motion: Tensor) -> Tensor:
        """The network's fields (N, 5, G, G) for motion (N, M)."""
        bases = network.bases(F.interpolate(self.mouth, (CROP, CROP), mode="area"), self._person)
        return network.fields(bases[self._of], motion, self._own[self._of], self._person[self._of])

    def drawn(self, fields: Tensor | None) -> Tensor:
        """Images (N, 3, 64, 64) with the skin retouched by ``fields``."""
        place, gain = self._place, torch.ones(())
        if fields is not None:
            change = F.grid_sample(fields, place, padding_mode="zeros", align_corners=True)
            place, gain = place + change[:, :2].permute(0, 2, 3, 1), change[:, 2:].exp()
        skin = F.grid_sample(self.mouth[self._of], place, padding_mode="border", align_corners=True) * gain
        return (skin + (self._color - skin) * self._mask).clamp(0, 1)

    def _mirror(self, turned: NDArray[np.bool_]) -> None:
        people, pairs = torch.from_numpy(turned), torch.from_numpy(turned[self._of])
        self.mouth[people] = self.mouth[people].flip(3)
        for image in (self.target, self._color, self._mask):
            image[pairs] = image[pairs].flip(3)
        self._place[pairs] = self._place[pairs].flip(2) * torch.tensor([-1.0, 1.0])
        for features, which in ((self.motion, pairs), (self._own, people), (self._person, people)):
            features[which] = mirrored_features(features[which])

    def _relight(self, generator: np.random.Generator) -> None:
        count = len(self.mouth)
        light = generator.normal(0, 0.2, (count, 1)) + generator.normal(0, 0.07, (count, 3))
        gain = torch.from_numpy(np.exp(light).astype(np.float32))[..., None, None]
        gamma = torch.from_numpy(np.exp(generator.normal(0, 0.12, (count, 1, 1, 1))).astype(np.float32))
        self.mouth = _lit(self.mouth, gain, gamma)
        self.target, self._color = (_lit(part, gain[self._of], gamma[self._of]) for part in (self.target, self._color))


def mirrored_features(features: Tensor) -> Tensor:
    """Mirrors features (N, F) of `motion_features` or `person_features`."""
    flat = 2 * len(POINTS)
    opposite = np.array([POINTS.index(MIRROR[point]) for point in POINTS])
    parts = []
    for start in range(0, features.shape[1] - flat + 1, flat):
        points = features[:, start : start + flat].reshape(len(features), len(POINTS), 2)[:, opposite]
        parts.append((points * torch.tensor([-1.0, 1.0])).reshape(len(features), flat))
    turn = features[:, len(parts) * flat :]
    return torch.cat([*parts, turn * torch.tensor([1.0, -1.0, -1.0])[: turn.shape[1]]], dim=1)


def _lit(image: Tensor, gain: Tensor, gamma: Tensor) -> Tensor:
    return (image.clamp(min=1e-3) ** gamma * gain).clamp(0, 1)


def _batches(crops: MouthCrops, generator: np.random.Generator) -> Iterator[_MouthBatch]:
    pairs_of = [np.flatnonzero(crops.reference == reference) for reference in range(len(crops.source))]
    while True:
        references = generator.choice(len(pairs_of), min(_REFERENCES_A_STEP, len(pairs_of)), replace=False)
        pairs = [generator.choice(pairs_of[reference], _PAIRS_A_REFERENCE) for reference in references]
        yield _MouthBatch(crops, np.concatenate(pairs), generator)


def _loss(network: RetouchNetwork, batch: _MouthBatch) -> Tensor:
    fields = batch.fields(network, batch.motion)
    shaken = batch.fields(network, batch.motion + _NOISE * torch.randn_like(batch.motion))
    error = batch.drawn(fields) - batch.target
    flow, gain = fields[:, :2], fields[:, 2:]
    loss = (error.abs() * _WEIGHT).mean() * _WEIGHT.numel() / _WEIGHT.sum()
    loss = loss + _EDGES * sum(
        (error.diff(dim=axis).abs() * _WEIGHT.narrow(axis, 1, CROP - 1)).mean() for axis in (2, 3)
    )
    loss = loss + _FLOW * flow.square().mean() + _FLOW_EVEN * _unevenness(flow) + _GAIN_EVEN * _unevenness(gain)
    change = (fields - shaken).abs()
    return loss + _STEADY * (5 * change[:, :2].mean() + change[:, 2:].mean())


def _unevenness(fields: Tensor) -> Tensor:
    return fields.diff(dim=2).square().mean() + fields.diff(dim=3).square().mean()


@torch.inference_mode()
def _measure_reach(network: RetouchNetwork, crops: MouthCrops) -> None:
    person, own = (torch.from_numpy(part[crops.reference]) for part in (crops.person, crops.own))
    weights = network.weigh(torch.from_numpy(crops.motion), person) - network.weigh(own, person)
    network.reach.fill_(float(torch.quantile(weights.norm(dim=1), _OFTEN)))


def _crops(clips: list[VideoClip], cache: Path) -> MouthCrops:
    """The pairs of all clips, cached per clip in the cache folder."""
    parts = []
    for clip in tqdm(clips, desc="pairs", unit="clip"):
        path = cache / "mouth" / f"{clip.name}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(InputError):
                _cut(clip, cache).save(path)
        if path.is_file():
            parts.append(MouthCrops.load(path))
    return MouthCrops.joined(parts)


def _cut(clip: VideoClip, cache: Path) -> MouthCrops:
    """The pairs of one clip; deterministic.

    Raises:
        InputError: the clip cannot be read, or shows a face in fewer than 12 frames.
    """
    track = load_track(cache, clip)
    images = [frame.image for frame in read_frames(clip.path)]
    seen = np.flatnonzero(track.tracked[: len(images)])
    if len(seen) < 12:
        raise InputError(f"{clip.name} shows a face in {len(seen)} frames")
    generator = np.random.default_rng(sum(clip.name.encode()))
    references = 1 if clip.source == _FEW_PEOPLE else 4
    return cut_clip([images[k] for k in seen], track.landmarks[seen], references, generator)


def _around_mouth() -> Tensor:
    """(64, 64) weight of each pixel of a crop, highest around the lips."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, CROP), torch.linspace(-1, 1, CROP), indexing="ij")
    return 0.15 + (1 - (x / 0.85) ** 4 - ((y + 0.12) / 0.65) ** 4).clamp(0, 1)


_WEIGHT: Final = _around_mouth()[None, None]
