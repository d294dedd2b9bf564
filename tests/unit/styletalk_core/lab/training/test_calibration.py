"""After the calibration every articulator moves as far as it should, and how well it follows the words is the same."""

import numpy as np
import pytest
import torch

from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training import calibration
from styletalk_core.lab.training.calibration import RANGE, calibrate, choose, ranges
from styletalk_core.lab.training.clips import MotionClip
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import PHONES

LIPS = LipMap.of(FaceModel.load())
SMALL = Dimensions(
    width=32, heads=2, feed_forward=32, layers=1, phone_embedding=8, temperature=1.0, style_frames=40, statistics=True
)


def talking(seed: int, person: str, frames: int = 120) -> MotionClip:
    random = np.random.default_rng(seed)
    phones = np.eye(len(PHONES), dtype=np.float32)[random.integers(len(PHONES), size=frames)]
    motion = random.standard_normal((frames, 64)).astype(np.float32)
    motion[:, 0] += 4  # well apart, so that lips do not touch
    return MotionClip(f"{person}/{seed}", "wild", "", "train", motion, phones, None, person)


@pytest.fixture
def model() -> StyleTalk:
    torch.manual_seed(0)
    network = StyleTalk(SMALL).eval()
    with torch.no_grad():
        network.lower.tail[-1].weight.mul_(20)  # an untrained network hardly moves
    return network


def test_every_articulator_gets_the_range_that_is_asked_for(model: StyleTalk) -> None:
    clips = [talking(seed, f"person {seed}") for seed in range(6)]
    before = ranges(model, clips, LIPS)
    gains = calibrate(model, clips, LIPS)
    assert np.abs(before - RANGE).max() > 0.1
    assert ranges(model, clips, LIPS) == pytest.approx(RANGE, abs=0.06)
    assert gains == pytest.approx(RANGE / before, rel=0.3)


def test_only_the_last_layer_of_the_lower_face_changes(model: StyleTalk) -> None:
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    calibrate(model, [talking(0, "ann")], LIPS)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, kept[name])}
    assert changed == {"lower.tail.4.weight", "lower.tail.4.bias"}


def test_one_clip_of_each_person_and_none_too_short_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [talking(0, "ann"), talking(1, "ann", 200), talking(2, "bob"), talking(3, "eve", 50)]
    assert {clip.name for clip in choose(clips)} == {"ann/1", "bob/2"}
    monkeypatch.setattr(calibration, "_CLIPS", 1)
    assert len(choose(clips)) == 1
