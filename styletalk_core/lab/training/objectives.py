"""Training objective (section 3.4): the generator's loss terms and the discriminators' losses.

Every term has a weight in `ObjectiveConfig`; weight 0 switches it off.

Deviation: SSIM is taken over time within a clip, signal by signal, because its contrast term then asks for the true
range of motion, which L1 alone halves; `test_objectives.py` proves it. The signals are the articulators of the lips
and the coefficients, so that every direction in which lips move counts alike, however small. `reach` (speech in
anybody else's style gives each signal the mean and the deviation that it has in that style's clip), `contact` (lips
that meet on P, B and M in every style), `jitter`, `closure_loss` and the share of the mean position are this project's
additions.

Runs on: any torch device; pure.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from styletalk_core.lab.training.batches import STRETCH, MotionBatch
from styletalk_core.lab.training.config import ObjectiveConfig
from styletalk_core.lab.training.discriminators import (
    SYNC_FRAMES,
    StyleDiscriminator,
    SyncDiscriminator,
    TemporalDiscriminator,
)
from styletalk_core.lab.training.lips import CLOSED, LipMap
from styletalk_core.models.steadying import KEPT
from styletalk_core.phones import CLOSED_LIPS, CONTEXT, SIL_INDEX

_MARGIN = 5.0
_LOWER = 13
_ARTICULATOR_WEIGHT = 3.0
_UPPER_WEIGHT = 0.2
_REACH = 0.95
"""Share of a style clip's deviation that speech in its style should have."""
_STILL = 0.05
"""Added to deviations and to trembling, so that a signal that rests does not count."""
_SSIM_FLOOR = 0.02
_REST_SHARE = 1.5
"""Weight of the clip's mean position in each reconstruction term; it is part of the style."""
_CALM_SHARE = 0.15
"""Weight of lip closure in silence; low, because many people keep their lips apart in pauses."""
_MIN_PROBABILITY = 1e-4


def structural_dissimilarity(found: Tensor, true: Tensor) -> Tensor:
    """1 - SSIM over time for each signal: (S, N, D) -> (S, D); signals have about unit deviation."""
    mean_f, mean_t = found.mean(dim=1), true.mean(dim=1)
    centred_f, centred_t = found - mean_f[:, None], true - mean_t[:, None]
    covariance = (centred_f * centred_t).mean(dim=1)
    contrast = (2 * covariance + _SSIM_FLOOR) / (
        centred_f.square().mean(dim=1) + centred_t.square().mean(dim=1) + _SSIM_FLOOR
    )
    luminance = 1 / (1 + (mean_f - mean_t).square())
    return 1 - contrast * luminance


def reconstruction(found: Tensor, true: Tensor, l1_share: float, weight: Tensor) -> Tensor:
    """mu L1 + (1 - mu) (1 - SSIM) + L1 of the means of signals (S, N, D), weighted by ``weight`` (D,)."""
    distance = (found - true).abs().mean(dim=1)
    rest = (found.mean(dim=1) - true.mean(dim=1)).abs()
    mixed = l1_share * distance + (1 - l1_share) * structural_dissimilarity(found, true) + _REST_SHARE * rest
    return (mixed * weight).sum(dim=-1).mean() / weight.sum()


def closure_loss(gap: Tensor, true_gap: Tensor, now: Tensor) -> Tensor:
    """Penalises a lip gap where the lips should meet.

    On P, B and M the smallest gap within ±1 frame counts, in silence every frame, in both cases only where the true
    lips close too. ``gap`` is (S, N) in inter-ocular distances, ``now`` (S, N, 41) the phone of each frame.
    """
    bilabial = now[..., list(CLOSED_LIPS)].sum(dim=-1)
    silent = now[..., SIL_INDEX]
    nearest = -F.max_pool1d(-gap[:, None], 3, stride=1, padding=1)[:, 0]
    true_nearest = -F.max_pool1d(-true_gap[:, None], 5, stride=1, padding=2)[:, 0]
    wanted = bilabial * (true_nearest < 2 * CLOSED)
    calm = _CALM_SHARE * silent * (true_gap < CLOSED)
    open_lips = wanted * apart(nearest) + calm * apart(gap)
    return open_lips.sum() / ((wanted + calm).sum() + 1) / CLOSED


def apart(gap: Tensor) -> Tensor:
    """Excess of a gap over that of lips that clearly touch."""
    return F.relu(gap - CLOSED / 3)


def reach(found: Tensor, own: Tensor, weight: Tensor) -> Tensor:
    """How far mean and deviation of each signal in speech (K, M, D) are from those of the style's clip (K, L, D).

    The mean counts in the clip's deviations, the deviation by its logarithm, whose optimum no sampling noise moves;
    averaged under weight (D,).
    """
    (mean_f, std_f), (mean_o, std_o) = ((x.mean(dim=1), x.std(dim=1) + _STILL) for x in (found, own))
    off = (mean_f - mean_o).abs() / std_o
    apart_ = (std_f / std_o / _REACH).log().square()
    return ((off + apart_) * weight).sum(dim=-1).mean() / weight.sum()


def jitter(found: Tensor, own: Tensor) -> Tensor:
    """Mean third difference over time of signals (K, S, N, D) above that of others (K, L, D): shaking, not speed."""
    shaking, lively = found.diff(n=3, dim=2).abs().mean(dim=(1, 2)), own.diff(n=3, dim=1).abs().mean(dim=1)
    return (F.relu(shaking - lively) / (lively + _STILL)).mean()


def triplet(anchor: Tensor, positive: Tensor, label: Tensor) -> Tensor:
    """Margin loss of style codes (S, C) against the hardest code of another style in the batch (eq. 7)."""
    distance = torch.cdist(anchor.float(), positive.float())
    same = (label[:, None] == label[None]) | (label[:, None] < 0) & (label[None] < 0)
    negative = distance.masked_fill(same, torch.inf).amin(dim=1)
    loss = F.relu(distance.diagonal() - negative + _MARGIN)
    valid = negative.isfinite()
    return torch.where(valid, loss, 0.0).sum() / valid.sum().clamp(min=1)


class Objective(torch.nn.Module):
    """The generator's loss terms; owns the discriminators."""

    landmarks: Tensor
    gap: Tensor
    kept: Tensor
    signals: Tensor
    """(64, 6 + 64): articulators of about unit deviation, then the coefficients."""
    weight: Tensor
    """(6 + 64,)"""

    def __init__(self, config: ObjectiveConfig, lips: LipMap, styles: int) -> None:
        super().__init__()
        self.config = config
        self.sync = SyncDiscriminator()
        self.style = StyleDiscriminator(styles)
        self.temporal = TemporalDiscriminator()
        landmarks, gap, articulators = lips.tensors()
        articulators = articulators / (articulators.square().sum(dim=0).sqrt() + 1e-6)
        weight = torch.ones(articulators.shape[1] + len(gap))
        weight[: articulators.shape[1]] = _ARTICULATOR_WEIGHT
        weight[articulators.shape[1] + _LOWER :] = _UPPER_WEIGHT
        self.register_buffer("landmarks", landmarks, persistent=False)
        self.register_buffer("gap", gap, persistent=False)
        self.register_buffer("kept", torch.from_numpy(KEPT), persistent=False)
        self.register_buffer("signals", torch.cat([articulators, torch.eye(len(gap))], dim=1), persistent=False)
        self.register_buffer("weight", weight, persistent=False)

    def forward(
        self, found: Tensor, code: Tensor, other_code: Tensor, said: Tensor, contact: Tensor, batch: MotionBatch
    ) -> Mapping[str, Tensor]:
        """Weighted terms by name.

        Args:
            found: (S, N, 64) decoded coefficients.
            code: (S, C) style codes used for ``found``.
            other_code: (S, C) codes of other spans of the same styles.
            said: (K, M, 64) speech decoded in many more styles.
            contact: (K, C, 64) P, B and M decoded in those styles.
            batch: inputs and targets of the batch.
        """
        c, true = self.config, batch.target
        stretches = said.reshape(len(said), -1, STRETCH, said.shape[-1])
        before, now = stretches[:, :, :-1], stretches[:, :, 1:]
        foreign, moves = batch.foreign @ self.signals, (now + self.kept * (before - now)) @ self.signals
        lips = self.signals.shape[1] - len(self.gap) + _LOWER
        terms: dict[str, Callable[[], Tensor]] = {
            "reconstruction": lambda: reconstruction(
                found @ self.signals, true @ self.signals, c.l1_share, self.weight
            ),
            "reach": lambda: reach(moves.flatten(1, 2), foreign, self.weight),
            "jitter": lambda: jitter(moves[..., :lips], foreign[..., :lips]),
            "closure": lambda: closure_loss(found @ self.gap, true @ self.gap, batch.phones[:, :, CONTEXT]),
            "contact": lambda: apart(contact @ self.gap).sum() / max(1, contact[..., 0].numel()) / CLOSED,
            "sync": lambda: (
                -self.sync(*self._sync_windows(found, batch.phones)).clamp(min=_MIN_PROBABILITY).log().mean()
            ),
            "style": lambda: (
                F.cross_entropy(self.style(found), batch.label, ignore_index=-1, reduction="sum")
                / (batch.label >= 0).sum().clamp(min=1)
            ),
            "temporal": lambda: -self.temporal(found).mean(),
            "triplet": lambda: triplet(code, other_code, batch.label),
        }
        return {name: getattr(c, name) * term() for name, term in terms.items() if getattr(c, name) > 0}

    def discriminator_loss(self, found: Tensor, batch: MotionBatch) -> Tensor:
        """Loss of the enabled discriminators on real motion; the temporal one also uses detached ``found``."""
        c, true = self.config, batch.target
        loss = found.new_zeros(())
        if c.sync > 0:
            points, phones = self._sync_windows(true, batch.phones)
            fits, misfits = self.sync(points, phones), self.sync(points, phones.roll(5, dims=0))
            loss = (
                loss
                - fits.clamp(min=_MIN_PROBABILITY).log().mean()
                - (1 - misfits).clamp(min=_MIN_PROBABILITY).log().mean()
            )
        if c.style > 0:
            count = (batch.label >= 0).sum().clamp(min=1)
            loss = loss + F.cross_entropy(self.style(true), batch.label, ignore_index=-1, reduction="sum") / count
        if c.temporal > 0:
            loss = loss + F.relu(1 - self.temporal(true)).mean() + F.relu(1 + self.temporal(found.detach())).mean()
        return loss

    def _sync_windows(self, motion: Tensor, phones: Tensor) -> tuple[Tensor, Tensor]:
        """Disjoint 5-frame windows: lip points (B, 5, 20, 3), every second landmark, and phones (B, 5, 41)."""
        frames = motion.shape[1] // SYNC_FRAMES * SYNC_FRAMES
        points = (motion[:, :frames] @ self.landmarks).reshape(-1, SYNC_FRAMES, 40, 3)[:, :, ::2]
        return points, phones[:, :frames, CONTEXT].reshape(-1, SYNC_FRAMES, phones.shape[-1])
