"""The spread of speech is measured on training people, and with it style codes give the lips the range of the clip."""

import numpy as np
import pytest
import torch

from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training import calibration
from styletalk_core.lab.training.calibration import calibrated, choose, spread
from styletalk_core.lab.training.clips import MotionClip
from styletalk_core.lab.training.evaluation import generate
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.models.compiled.lip_range import RANGE
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import PHONES, SIL_INDEX

LIPS = LipMap.of(FaceModel.load())
SMALL = Dimensions(
    width=32, heads=2, feed_forward=32, layers=1, phone_embedding=8, temperature=1.0, style_frames=40, statistics=True
)


def talking(seed: int, person: str, frames: int = 120) -> MotionClip:
    random = np.random.default_rng(seed)
    sounds = np.delete(np.eye(len(PHONES), dtype=np.float32), SIL_INDEX, axis=0)
    phones = sounds[random.integers(len(sounds), size=frames)]
    motion = random.standard_normal((frames, 64)).astype(np.float32)
    motion[:, 0] += 1.3  # open in the mean
    return MotionClip(f"{person}/{seed}", "wild", "", "train", motion, phones, None, person)


@pytest.fixture
def model() -> StyleTalk:
    torch.manual_seed(2)
    network = StyleTalk(SMALL).eval()
    with torch.no_grad():
        network.lower.tail[-1].weight.mul_(80)  # an untrained network hardly moves
    return network


def ranges(model: StyleTalk, clips: list[MotionClip]) -> np.ndarray:
    """Mean range of each articulator, every clip said in its own style."""
    shares = [
        LIPS.articulated(generate(model, clip, clip.coefficients)).std(axis=0)
        / LIPS.articulated(clip.coefficients).std(axis=0)
        for clip in clips
    ]
    return np.mean(shares, axis=0)


def test_every_articulator_comes_nearer_to_the_range_of_the_clip(model: StyleTalk) -> None:
    clips = [talking(seed, f"person {seed}") for seed in range(6)]
    styles = [clip.coefficients for clip in clips]
    networks = (model, calibrated(model, clips, styles, LIPS))
    before, after = (np.abs(np.log(ranges(one, clips) / RANGE)) for one in networks)
    assert before.mean() > 0.5
    assert after.mean() < 0.7 * before.mean()


def test_the_spread_is_in_deviations_of_the_style(model: StyleTalk) -> None:
    clips, width = [talking(seed, f"person {seed}") for seed in range(3)], SMALL.width
    style = clips[0].coefficients
    code = model.encode_style(torch.from_numpy(style)).numpy()
    said = np.stack([np.cov(generate(model, clip, style, 2)[:, :13].T) for clip in clips]).mean(axis=0)
    deviation = np.exp(code[width + 64 : width + 64 + 13])
    assert spread(model, clips, [style]) == pytest.approx(said / np.outer(deviation, deviation), rel=1e-3, abs=1e-5)


def test_only_the_code_of_a_style_changes_and_a_second_calibration_is_the_same(model: StyleTalk) -> None:
    clips = [talking(seed, f"person {seed}") for seed in range(2)]
    styles = [clip.coefficients for clip in clips]
    once = calibrated(model, clips, styles, LIPS)
    twice = calibrated(once, clips, styles, LIPS)
    kept, changed = model.state_dict(), once.state_dict()
    assert set(changed) - set(kept) == {"lip_spread", "lip_articulators", "lip_back"}
    assert all(torch.equal(value, changed[name]) for name, value in kept.items())
    assert torch.equal(once.lip_spread, twice.lip_spread)


def test_one_clip_of_each_person_and_none_too_short_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [talking(0, "ann"), talking(1, "ann", 200), talking(2, "bob"), talking(3, "eve", 50)]
    assert {clip.name for clip in choose(clips)} == {"ann/1", "bob/2"}
    monkeypatch.setattr(calibration, "_CLIPS", 1)
    assert len(choose(clips)) == 1
