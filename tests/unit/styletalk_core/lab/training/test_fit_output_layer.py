"""Refitting improves the output layers and changes nothing else in the network."""

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training import fit_output_layer as fitting
from styletalk_core.lab.training.clips import MotionClip
from styletalk_core.lab.training.evaluation import evaluate, generate
from styletalk_core.lab.training.fit_output_layer import fit_output_layer, read_features, read_foreign, run
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.models import checkpoint
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import INDEX, PHONES, SIL_INDEX

LIPS = LipMap.of(FaceModel.load())
SMALL = Dimensions(
    width=32, heads=2, feed_forward=32, layers=1, phone_embedding=8, temperature=1.0, style_frames=40, statistics=True
)


def talking(seed: int, speaker: str = "ann", opens: float = 2.0) -> MotionClip:
    """A clip whose mouth opens by ``opens`` exactly during every AA."""
    random = np.random.default_rng(seed)
    voiced = np.repeat(random.random(15) < 0.5, 6)
    phones = np.eye(len(PHONES), dtype=np.float32)[np.where(voiced, INDEX["AA"], SIL_INDEX)]
    motion = 0.05 * random.standard_normal((90, 64)).astype(np.float32)
    motion[:, 0] += np.convolve(voiced, np.ones(3) / 3, mode="same") * opens
    return MotionClip(f"clip{seed}", "GRID", speaker, "train", motion, phones)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> StyleTalk:
    for name, value in {"_STEPS": 500, "_SEGMENTS": 12, "_STRETCHES": 3}.items():
        monkeypatch.setattr(fitting, name, value)
    torch.manual_seed(0)
    return StyleTalk(SMALL).eval()


def test_fitted_lips_are_nearer_to_the_truth(model: StyleTalk) -> None:
    clips, unseen = [talking(seed) for seed in range(6)], [talking(seed) for seed in range(6, 9)]
    before, kept = evaluate(model, unseen, LIPS).mean(), {k: v.clone() for k, v in model.state_dict().items()}
    fit_output_layer(model, read_features(model, clips, seed=1), read_foreign(model, clips, LIPS, seed=1), LIPS, seed=1)
    after = evaluate(model, unseen, LIPS).mean()
    assert after["lip_error_px"] < 0.8 * before["lip_error_px"]
    assert after["opening_correlation"] > 0.8 and 0.7 < after["opening_std_ratio"] < 1.4
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, kept[name])}
    assert changed and all(name.startswith("lower.tail.") for name in changed)


def test_a_mouth_opens_as_far_as_in_the_style_that_it_speaks_in(
    model: StyleTalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = [talking(seed) for seed in range(6)]
    silent = replace(talking(6, "bob", opens=6.0), phones=None)  # a style of which no word is known

    foreign = read_foreign(model, [*heard, silent], LIPS, seed=1)
    own = read_features(model, heard, seed=1)
    for share in (0.6, 1.2):
        monkeypatch.setattr(fitting, "RANGE", share)
        fit_output_layer(model, own, foreign, LIPS, seed=1)
        said = LIPS.opening(generate(model, talking(7), silent.coefficients))
        assert said.std() / LIPS.opening(silent.coefficients).std() == pytest.approx(share, abs=0.2)


def test_the_same_seed_gives_the_same_layers(model: StyleTalk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_STEPS", 20)
    clips = [talking(0), talking(1)]
    own, foreign = read_features(model, clips, seed=1), read_foreign(model, clips, LIPS, seed=1)
    other = copy.deepcopy(model)
    for network in (model, other):
        fit_output_layer(network, own, foreign, LIPS, seed=1)
    assert torch.equal(model.lower.tail[0].weight, other.lower.tail[0].weight)


def test_a_network_whose_codes_hold_no_statistics_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    checkpoint.save(StyleTalk(Dimensions(width=16, heads=2, feed_forward=16, layers=1)), {}, path)
    with pytest.raises(InputError, match="without statistics"):
        run(argparse.Namespace(weights=path, data=tmp_path, manifest=tmp_path, output=path, seed=1, json=True))
