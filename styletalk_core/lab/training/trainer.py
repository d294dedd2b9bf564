"""Training loop state of the motion network: one step, saving and resuming (section 3.4).

Deterministic for a seed: batches and dropout depend only on the step number; a resumed training run continues exactly.

Runs on: the main thread of `styletalk train motion`; CPU (bfloat16 where the processor has it) or CUDA.
"""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from styletalk_core.errors import InputError, StyleTalkError
from styletalk_core.lab.training.batches import Batches, MotionBatch
from styletalk_core.lab.training.config import Config
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.objectives import Objective
from styletalk_core.models import checkpoint
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.styletalk import StyleState, StyleTalk, in_style

DISCRIMINATOR_RATE: Final = 3e-4
CLIP_NORM: Final = 5.0


class DivergenceError(StyleTalkError):
    """A loss that is not finite; the message names the step, the term and the clips of the batch."""


def dropped(x: Tensor, share: float) -> Tensor:
    """Dropout: sets ``share`` of x to zero, in steps of 1/256, and scales up the rest.

    One random int64 serves eight values: on a CPU, drawing one number per value takes a quarter of a training step.
    """
    drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(2**63), None)
    limit = round(256 * share)
    kept = drawn.view(torch.uint8)[: x.numel()].view(x.shape) >= limit
    return x * kept.to(x.dtype) * (256 / (256 - limit))


def drop_hidden(model: StyleTalk, share: float) -> None:
    """Adds dropout of hidden units to every feed-forward layer of a network, active in training mode."""

    def drop(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (dropped(inputs[0], share) if module.training else inputs[0], *inputs[1:])

    for name, module in model.named_modules():
        if name.endswith("linear2"):
            module.register_forward_pre_hook(drop)


def drop_learnt(model: StyleTalk, code: Tensor, share: float) -> Tensor:
    """Applies dropout to the learnt part of style codes (S, C), not to the statistics at their end."""
    width = model.dimensions.width
    return torch.cat([F.dropout(code[:, :width], share, model.training), code[:, width:]], dim=1)


def decode_lower_face(model: StyleTalk, windows: Tensor, state: StyleState) -> Tensor:
    """Coefficients (S, N, 64) of windows (S, N, 11, 41) with an upper face that is still."""
    moved = model.lower(model.content_encoder(windows), state.lower).float()
    still = model.dimensions.coefficients - moved.shape[-1]
    return in_style(F.pad(moved, (0, still)), state.mean[:, None], state.std[:, None])


def learning_rate(peak: float, warmup: int, step: int, share: float) -> float:
    """Learning rate of a step at ``share`` (0..1) of the training: linear warm-up, then cosine decay to 2 %."""
    warm = min(1.0, (step + 1) / warmup)
    return peak * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * min(share, 1.0))) / 2)


@torch.no_grad()
def update_average(average: nn.Module, trained: nn.Module, decay: float, step: int) -> None:
    """Moves the average of the weights towards those after a step; the first steps count more."""
    decay = min(decay, (1 + step) / (10 + step))
    for kept, value in zip(average.parameters(), trained.parameters(), strict=True):
        kept.lerp_(value, 1 - decay)


class MotionTraining:
    """One training run: the networks, the optimisers and the weight average that is shipped."""

    def __init__(self, config: Config, batches: Batches, lips: LipMap, device: torch.device) -> None:
        torch.manual_seed(config.data.seed)
        network = asdict(config.network) | {"style_frames": config.data.style_frames}
        self.config = config
        self.batches = batches
        self.device = device
        self.step = 0
        self.model = StyleTalk(Dimensions(**network)).to(device)
        self.average = StyleTalk(Dimensions(**network)).to(device).eval()
        self.average.load_state_dict(self.model.state_dict())
        if config.optimisation.part != "all":
            self.model.requires_grad_(False)
            self.model.get_submodule(config.optimisation.part).requires_grad_(True)
        drop_hidden(self.model, config.optimisation.dropout)
        self.objective = Objective(config.objective, lips, max(1, len(batches.labels))).to(device)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.Adam(trained, lr=config.optimisation.rate, betas=(0.9, 0.98))
        self.discriminator = torch.optim.Adam(self.objective.parameters(), lr=DISCRIMINATOR_RATE, betas=(0.5, 0.99))

    def train_step(self, share: float) -> dict[str, float]:
        """Runs one step at ``share`` (0..1) of the training; returns the weighted loss terms.

        Raises:
            DivergenceError: a term is not finite.
        """
        torch.manual_seed(self.config.data.seed * 1_000_003 + self.step)  # dropout depends only on the step, too
        batch = _to(self.batches[self.step], self.device)
        o = self.config.optimisation
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(o.rate, o.warmup, self.step, share)
        others = batch.other if self.config.objective.triplet > 0 else batch.other[:0]
        with _autocast(self.device):
            codes = self.model.style_encoder(torch.cat([batch.style, others, batch.foreign])).float()
            self._require_finite({"the style code": codes.sum()}, batch)
            code, other, of_foreign = codes.split([len(batch.style), len(others), len(batch.foreign)])
            found = self._decode(batch.phones, code)
            windows = torch.cat([batch.foreign_phones, batch.contact_phones], dim=1)
            self.model.eval()  # what spread and trembling are judged by must not be dropout's
            said = self._decode(windows, of_foreign)
            self.model.train()
            usual = batch.foreign_phones.shape[1]
        terms = self.objective(found, code, other, said[:, :usual], said[:, usual:], batch)
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
        update_average(self.average, self.model, o.average, self.step)
        self.step += 1
        return {name: value.item() for name, value in terms.items()} | {"discriminators": loss.item()}

    def _decode(self, windows: Tensor, code: Tensor) -> Tensor:
        """Coefficients (S, N, 64) of windows (S, N, 11, 41) in styles (S, C); an untrained upper face is still."""
        o = self.config.optimisation
        state = self.model.mix_style(drop_learnt(self.model, code, o.dropout))
        return self.model.decode(windows, state) if o.part == "all" else decode_lower_face(self.model, windows, state)

    def _require_finite(self, values: Mapping[str, Tensor], batch: MotionBatch) -> None:
        for name, value in values.items():
            if not torch.isfinite(value):
                raise DivergenceError(f"{name} is {value.item()} at step {self.step}, clips {', '.join(batch.names)}")

    def save(self, path: Path) -> None:
        """Writes everything needed to resume the training.

        Raises:
            StyleTalkError: the file could not be written, for example on a full disk; an earlier file is kept.
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
            InputError: it belongs to a training run with other settings.
        """
        state = checkpoint.read_pickle(path)
        for table in ("network", "data"):
            if state["config"][table] != asdict(getattr(self.config, table)):
                raise InputError(f"{path} was made with other settings in [{table}]; choose another --output")
        self.step = state["step"]
        for part in ("model", "average", "objective", "optimiser", "discriminator"):
            getattr(self, part).load_state_dict(state[part])

    def start_from(self, path: Path) -> None:
        """Loads every tensor of a weight file that fits this network.

        Raises:
            CheckpointError: the file is not a weight file or is damaged.
        """
        given = checkpoint.load(path, self.device).model.state_dict()
        for network in (self.model, self.average):
            own = network.state_dict()
            fitting = {name: value for name, value in given.items() if name in own and value.shape == own[name].shape}
            network.load_state_dict(own | fitting)


def _to(batch: MotionBatch, device: torch.device) -> MotionBatch:
    tensors = (getattr(batch, entry.name) for entry in fields(batch)[1:])
    return MotionBatch(batch.names, *(tensor.to(device) for tensor in tensors))


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 where it is fast: on CUDA and on processors with AVX-512 BF16 or AMX."""
    capabilities = torch.cpu.get_capabilities()
    fast = device.type == "cuda" or capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.autocast(device.type, torch.bfloat16) if fast else nullcontext()
