"""Properties of each term of the objective."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from styletalk_core.lab.training.batches import MotionBatch
from styletalk_core.lab.training.config import ObjectiveConfig
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.objectives import (
    Objective,
    closure_loss,
    jitter,
    reach,
    reconstruction,
    structural_dissimilarity,
    triplet,
)
from styletalk_core.phones import INDEX, PHONES, SIL_INDEX, WINDOW


def windows_of(phone: int, frames: int) -> Tensor:
    return torch.eye(len(PHONES))[torch.full((1, frames), phone)]


def best_scale(loss: str) -> float:
    """The scale of a half-predictable motion that a loss likes best."""
    generator = torch.Generator().manual_seed(0)
    known, unknown = torch.randn(2, 1, 4000, 1, generator=generator)
    true = 0.7 * known + 0.7 * unknown
    scales = np.arange(0.1, 1.6, 0.05)
    measures = {
        "l1": lambda found: (found - true).abs().mean(),
        "ssim": lambda found: structural_dissimilarity(found, true).mean(),
    }
    return float(scales[np.argmin([float(measures[loss](scale * known)) for scale in scales])])


def test_l1_alone_halves_the_range_and_ssim_asks_for_all_of_it() -> None:
    assert best_scale("l1") < 0.8
    assert 0.9 < best_scale("ssim") < 1.1


def test_reconstruction_of_the_truth_is_free() -> None:
    motion = torch.randn(2, 64, 64)
    assert reconstruction(motion, motion, 0.1, torch.ones(64)) == pytest.approx(0, abs=1e-6)


def test_open_lips_cost_on_a_bilabial_that_the_truth_closes() -> None:
    true = torch.zeros(1, 8)
    phones = windows_of(INDEX["B"], 8)
    assert closure_loss(torch.full((1, 8), 0.1), true, phones) > 1
    assert closure_loss(torch.zeros(1, 8), true, phones) == 0
    assert closure_loss(torch.full((1, 8), 0.1), torch.full((1, 8), 0.1), phones) == 0


def test_one_closed_frame_is_enough_for_a_bilabial_but_not_for_silence() -> None:
    gap = torch.tensor([[0.1, 0.0, 0.1]])
    assert closure_loss(gap, torch.zeros(1, 3), windows_of(INDEX["P"], 3)) == 0
    assert closure_loss(gap, torch.zeros(1, 3), windows_of(SIL_INDEX, 3)) > 0


def test_shaking_costs_and_lively_motion_does_not() -> None:
    time = torch.arange(60.0)[None, :, None]
    lively = torch.sin(time / 3)
    assert jitter(lively[:, None], lively) == 0 and jitter(0.5 * lively[:, None], lively) == 0
    assert jitter((lively + 0.2 * torch.cos(3.1 * time))[:, None], lively) > 0.1


def test_speech_in_a_style_should_move_every_signal_nearly_as_far_as_its_clip_does() -> None:
    generator = torch.Generator().manual_seed(0)
    own, said = (torch.randn(2, 400, 3, generator=generator) for _ in range(2))
    weight = torch.tensor([1.0, 1.0, 0.0])
    costs = {share: reach(torch.tensor([1.0, share, 9.0]) * said, own, weight) for share in (0.3, 0.6, 0.9, 1.2)}
    assert min(costs, key=lambda share: costs[share]) == 0.9
    assert reach(said + 1, own, weight) > 0.5 + reach(said, own, weight)


def test_triplet_wants_styles_a_margin_apart() -> None:
    label = torch.tensor([0, 1])
    apart = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    assert triplet(apart, apart, label) == 0
    assert triplet(apart / 10, apart / 10, label) == pytest.approx(4)


def terms(config: ObjectiveConfig, contact: Tensor | None = None) -> Mapping[str, Tensor]:
    """What random motion costs; ``contact`` (K, C, 64) is how P, B and M are said in many styles."""
    torch.manual_seed(0)
    landmarks, articulators = (
        np.random.default_rng(0).standard_normal((64, width)).astype(np.float32) for width in (120, 6)
    )
    lips = LipMap(landmarks, np.ones(64, np.float32), articulators)
    phones, motion = torch.rand(2, 32, WINDOW, len(PHONES)).softmax(-1), torch.randn(2, 32, 64)
    batch = MotionBatch(("a", "b"), phones, motion, motion, motion, torch.tensor([0, 1]), motion, phones, phones)
    code = torch.randn(2, 16)
    return Objective(config, lips, 2)(motion, code, code, motion, motion if contact is None else contact, batch)


TERMS = ("reconstruction", "reach", "jitter", "closure", "contact", "sync", "style", "temporal", "triplet")


@pytest.mark.parametrize("name", TERMS)
def test_each_term_can_be_switched_off(name: str) -> None:
    weights = dict.fromkeys(TERMS, 1.0)
    every = terms(ObjectiveConfig(**weights))
    without = terms(ObjectiveConfig(**(weights | {name: 0.0})))
    assert set(every) - set(without) == {name}
    assert all(torch.isfinite(value) for value in every.values())


def test_lips_that_stay_open_in_any_style_cost_and_those_that_touch_do_not() -> None:
    touching, apart = (torch.full((24, 2, 64), gap / 64) for gap in (0.0, 0.2))
    assert terms(ObjectiveConfig(), touching)["contact"] == 0
    assert terms(ObjectiveConfig(), apart)["contact"] > 5
