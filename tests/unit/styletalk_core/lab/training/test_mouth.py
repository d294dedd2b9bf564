"""The training learns shading that follows the motion, also on unseen people."""

from pathlib import Path

import numpy as np
import torch

from styletalk_core.face.landmarks import MIRROR
from styletalk_core.lab.training.mouth import judge, mirrored_features, train_network
from styletalk_core.lab.training.mouth_crops import SOURCE, MouthCrops
from styletalk_core.rendering.mouth.retouch import motion_features
from styletalk_core.rendering.retouch_weights import CROP

PEOPLE, PAIRS = 12, 6


def _darkening(seed: int) -> MouthCrops:
    """Smooth images that get darker as all landmarks move down, with every pixel at a fixed position."""
    generator = np.random.default_rng(seed)
    coarse = torch.from_numpy(generator.uniform(90, 200, (PEOPLE, 3, 4, 4)))
    source = torch.nn.functional.interpolate(coarse, (SOURCE, SOURCE), mode="bicubic").permute(0, 2, 3, 1).numpy()
    reference = np.repeat(np.arange(PEOPLE), PAIRS).astype(np.int32)
    down = generator.uniform(0, 0.1, len(reference)).astype(np.float32)
    offsets = np.zeros((len(reference), 478, 3), np.float32)
    offsets[..., 1] = down[:, None]
    still = np.zeros(3, np.float32)
    small = source.reshape(PEOPLE, CROP, 2, CROP, 2, 3).mean(axis=(2, 4))
    axis = np.linspace(-1, 1, CROP, dtype=np.float16)
    place = np.broadcast_to(np.stack(np.meshgrid(axis, axis), axis=-1), (len(reference), CROP, CROP, 2)).copy()
    motion = np.stack([motion_features(row, still) for row in offsets])
    return MouthCrops(
        source=source.clip(0, 255).round().astype(np.uint8),
        person=np.zeros((PEOPLE, 2 * (motion.shape[1] - 3)), np.float32),
        own=np.zeros((PEOPLE, motion.shape[1]), np.float32),
        reference=reference,
        clip=reference,
        motion=motion,
        target=(small[reference] * (1 - 2.5 * down)[:, None, None, None]).clip(0, 255).round().astype(np.uint8),
        place=place,
        inside=np.zeros((len(reference), CROP, CROP, 4), np.uint8),
    )


def test_training_learns_a_shading_and_measures_its_reach() -> None:
    network = train_network(_darkening(0), steps=50)
    before, after = judge(network, _darkening(1))
    assert after < 0.6 * before
    assert 0 < float(network.reach) < 1e3


def test_crops_are_kept_and_joined(tmp_path: Path) -> None:
    one = _darkening(0)
    one.save(tmp_path / "one.npz")
    both = MouthCrops.joined([MouthCrops.load(tmp_path / "one.npz"), _darkening(1)])
    assert len(both.target) == 2 * len(one.target)
    assert both.reference.max() == 2 * PEOPLE - 1 and np.unique(both.clip).tolist() == [0, 1]


def test_a_mirror_turns_features_as_it_turns_faces() -> None:
    generator = np.random.default_rng(0)
    offsets = generator.standard_normal((478, 3)).astype(np.float32)
    turn = np.array([0.1, 0.2, 0.3], np.float32)
    mirrored = motion_features((offsets * np.float32([-1, 1, 1]))[MIRROR], turn * np.float32([1, -1, -1]))
    features = torch.from_numpy(motion_features(offsets, turn))[None]
    assert np.allclose(mirrored_features(features)[0].numpy(), mirrored, atol=1e-6)
    assert torch.equal(mirrored_features(mirrored_features(features)), features)
