"""Train the motion network: phones and a style clip to expression coefficients (section 3.4 and 4.1).

Writes a resumable state (``last.pt``) and the weight file after every few steps; both are replaced only when complete.
Deterministic for a seed and a number of steps; ``--minutes`` bounds the time instead, and the learning rate then ends
with it.

Runs on: the main thread of `styletalk train motion`; CPU (bfloat16 where the processor has it) or CUDA.
"""

import argparse
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from styletalk_core import checkpoint
from styletalk_core.errors import InputError, StyleTalkError
from styletalk_core.face_model import FaceModel
from styletalk_core.styletalk import Dimensions, StyleTalk
from styletalk_core.training import config as settings
from styletalk_core.training.alignment import estimate_lags
from styletalk_core.training.batches import Batch, Batches
from styletalk_core.training.clips import Clip, in_step, read_clips, spoken
from styletalk_core.training.evaluation import evaluate, look_ahead_curve
from styletalk_core.training.lips import LipMap
from styletalk_core.training.mirror import mirror_map
from styletalk_core.training.model_card import model_card
from styletalk_core.training.objectives import Objective

DISCRIMINATOR_RATE: Final = 3e-4
CLIP_NORM: Final = 5.0

logger = logging.getLogger(__name__)


class DivergenceError(StyleTalkError):
    """A loss that is not finite; the message names the step, the term and the clips of the batch."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Mean of each term since the last report."""

    step: int
    share: float
    terms: Mapping[str, float]

    def __str__(self) -> str:
        terms = "  ".join(f"{name} {value:.3f}" for name, value in self.terms.items())
        return f"step {self.step} ({self.share:.0%})  {terms}"


def drop_hidden(model: StyleTalk, share: float) -> None:
    """Lets every feed-forward layer of a network drop hidden units while it is trained."""

    def drop(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (F.dropout(inputs[0], share, module.training), *inputs[1:])

    for name, module in model.named_modules():
        if name.endswith("linear2"):
            module.register_forward_pre_hook(drop)


class MotionTraining:
    """One training: networks, optimisers, the average that is shipped, and where it all is kept."""

    def __init__(self, config: settings.Config, batches: Batches, lips: LipMap, device: torch.device) -> None:
        torch.manual_seed(config.data.seed)
        network = asdict(config.network) | {"style_frames": config.data.style_frames}
        self.config = config
        self.batches = batches
        self.device = device
        self.step = 0
        self.model = StyleTalk(Dimensions(**network)).to(device)
        self.average = StyleTalk(Dimensions(**network)).to(device).eval()
        self.average.load_state_dict(self.model.state_dict())
        drop_hidden(self.model, config.optimisation.dropout)
        self.objective = Objective(config.objective, lips, max(1, len(batches.labels))).to(device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=config.optimisation.rate, betas=(0.9, 0.98))
        self.discriminator = torch.optim.Adam(self.objective.parameters(), lr=DISCRIMINATOR_RATE, betas=(0.5, 0.99))

    def train_step(self, share: float) -> dict[str, float]:
        """Takes one step at ``share`` (0..1) of the training; returns the weighted terms.

        Raises:
            DivergenceError: a term is not finite.
        """
        torch.manual_seed(self.config.data.seed * 1_000_003 + self.step)  # dropout, too, depends on the step only
        batch = _to(self.batches[self.step], self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(share)
        others = batch.other if self.config.objective.triplet > 0 else batch.other[:0]
        with _autocast(self.device):
            codes = self.model.style_encoder(torch.cat([batch.style, others, batch.manner])).float()
            self._require_finite({"the style code": codes.sum()}, batch)
            code, other, of_manner = codes.split([len(batch.style), len(others), len(batch.manner)])
            found = self.model.decode(batch.phones, self.model.mix_style(self._dropped(code)))
            manner = self.model.decode(batch.manner_phones, self.model.mix_style(self._dropped(of_manner)))
        terms = self.objective(found, code, other, manner, batch)
        self._require_finite(terms, batch)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        self.optimiser.step()
        self.discriminator.zero_grad(set_to_none=True)
        loss = self.objective.discriminator_loss(found, batch)
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
            self.discriminator.step()
        self._update_average()
        self.step += 1
        return {name: value.item() for name, value in terms.items()} | {"discriminators": loss.item()}

    def _dropped(self, code: Tensor) -> Tensor:
        """Codes with dropout where they meet the phones, not in the statistics that they end in."""
        width = self.model.dimensions.width
        learnt = F.dropout(code[:, :width], self.config.optimisation.dropout)
        return torch.cat([learnt, code[:, width:]], dim=1)

    def _require_finite(self, values: Mapping[str, Tensor], batch: Batch) -> None:
        for name, value in values.items():
            if not torch.isfinite(value):
                raise DivergenceError(f"{name} is {value.item()} at step {self.step}, clips {', '.join(batch.names)}")

    def save(self, path: Path) -> None:
        """Writes everything that a resumed training needs.

        Raises:
            StyleTalkError: it could not be written, as on a full disk; an earlier file is still there.
        """
        state = {
            "config": asdict(self.config),
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "discriminator": self.discriminator.state_dict(),
        }
        partial = path.with_suffix(".partial")
        try:
            torch.save(state, partial)
            partial.replace(path)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            raise StyleTalkError(f"{path} could not be written, the earlier one is kept: {error}") from error
        finally:
            partial.unlink(missing_ok=True)

    def resume(self, path: Path) -> None:
        """Continues where `save` left off.

        Raises:
            CheckpointError: the file is damaged.
            InputError: it belongs to a training with other settings.
        """
        state = checkpoint.read_pickle(path)
        for table in ("network", "data"):
            if state["config"][table] != asdict(getattr(self.config, table)):
                raise InputError(f"{path} was made with other settings in [{table}]; choose another --output")
        self.step = state["step"]
        for part in ("model", "average", "objective", "optimiser", "discriminator"):
            getattr(self, part).load_state_dict(state[part])

    def start_from(self, path: Path) -> None:
        """Takes over every tensor of a weight file that fits this network.

        Raises:
            CheckpointError: the file is no weight file or is damaged.
        """
        given = checkpoint.load(path, self.device).model.state_dict()
        for network in (self.model, self.average):
            own = network.state_dict()
            fitting = {name: value for name, value in given.items() if name in own and value.shape == own[name].shape}
            network.load_state_dict(own | fitting)

    def _rate(self, share: float) -> float:
        """Linear warm-up, then half a cosine down to a fiftieth."""
        o = self.config.optimisation
        warm = min(1.0, (self.step + 1) / o.warmup)
        return o.rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * min(share, 1.0))) / 2)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.optimisation.average, (1 + self.step) / (10 + self.step))
        for kept, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
            kept.lerp_(value, 1 - decay)


def _to(batch: Batch, device: torch.device) -> Batch:
    tensors = (getattr(batch, entry.name) for entry in fields(batch)[1:])
    return Batch(batch.names, *(tensor.to(device) for tensor in tensors))


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 where it is fast: on CUDA and on processors with AVX-512 BF16 or AMX."""
    capabilities = torch.cpu.get_capabilities()
    fast = device.type == "cuda" or capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.autocast(device.type, torch.bfloat16) if fast else nullcontext()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk train motion`."""
    parser.add_argument("--config", type=Path, default=settings.DEFAULT, help="settings, TOML")
    parser.add_argument("--data", type=Path, help="folder of `styletalk dataset build` (default: as in the settings)")
    parser.add_argument("--manifest", type=Path, required=True, help="video/manifest.tsv of the data folder")
    parser.add_argument("--output", type=Path, default=Path("artefacts/motion"), help="folder of the result")
    parser.add_argument("--start", type=Path, help="weight file to start from; what it lacks starts fresh")
    parser.add_argument("--minutes", type=float, help="stop after this time instead of after the set steps")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tensorboard", action="store_true", help="log to OUTPUT/events (needs tensorboard)")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Trains, evaluates on people never trained on, and returns the figures.

    Raises:
        InputError: settings or data cannot be used.
        DivergenceError: a loss is not finite.
    """
    config = settings.read(args.config)
    lips = LipMap.of(FaceModel.load())
    clips = read_clips(args.data or Path(config.data.folder), args.manifest, config.data.licence)
    clips = in_step(clips, estimate_lags(clips, {c.name: lips.opening(c.coefficients) for c in clips}))
    train = [clip for clip in clips if clip.split == "train"]
    batches = Batches(train, config.data, config.augmentation, lips, mirror_map(FaceModel.load()))
    training = MotionTraining(config, batches, lips, torch.device(args.device))
    args.output.mkdir(parents=True, exist_ok=True)
    if (args.output / "last.pt").exists():
        training.resume(args.output / "last.pt")
    elif args.start is not None:
        training.start_from(args.start)
    figures = _train(training, clips, lips, args)
    curve = look_ahead_curve(training.average, unseen_people(clips), lips)
    return figures | {"look_ahead": {str(future): row for future, row in curve.items()}}


def unseen_people(clips: Sequence[Clip]) -> list[Clip]:
    """Spoken clips of people of whom nothing was trained on: dev, and test but for GRID's first speaker."""
    return spoken(clips, "dev") + [clip for clip in spoken(clips, "test") if clip.source != "GRID"]


def _train(training: MotionTraining, clips: list[Clip], lips: LipMap, args: argparse.Namespace) -> dict[str, Any]:
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


def judge_groups(model: StyleTalk, clips: list[Clip], lips: LipMap) -> dict[str, Any]:
    """Figures on unseen people and on GRID sentences held out."""
    groups = {
        "unseen people": unseen_people(clips),
        "held-out sentences": [clip for clip in spoken(clips, "test") if clip.source == "GRID"],
    }
    return {name: evaluate(model, members, lips).mean() for name, members in groups.items() if members}


def _writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("--tensorboard needs the tensorboard package: pip install tensorboard") from error
    return SummaryWriter(folder)
