"""The skin around the mouth is deformed and shaded smoothly, and not at all at the photo's own expression."""

from pathlib import Path

import numpy as np
import pytest
import torch

from styletalk_core.errors import CheckpointError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering import retouch_weights
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth import retouch_network
from styletalk_core.rendering.mouth.retouch import Retouch, motion_features, person_features
from styletalk_core.rendering.mouth.retouch_network import RetouchNetwork, weights_of
from styletalk_core.rendering.raster.rasterizer import fill_triangles
from styletalk_core.rendering.retouch_weights import CROP, GAIN, MAX_DISPLACEMENT, RetouchWeights
from styletalk_core.rendering.skin_folds import NO_FOLDS
from styletalk_core.weights import FOLDER

STRAIGHT = np.zeros(3, np.float32)
STILL, AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)


@pytest.fixture(scope="module")
def renderer() -> MeshRenderer:
    return MeshRenderer(AvatarLibrary(Path("does-not-exist")).get("kenji"), 256)


@pytest.fixture(scope="module")
def speaking() -> np.ndarray:
    """Expressions (40, 64) within what training saw."""
    return np.random.default_rng(3).normal(0, 0.7, (40, 64)).astype(np.float32)


def test_nothing_is_retouched_at_the_photos_own_expression(renderer: MeshRenderer) -> None:
    assert not renderer.retouch.fields(-renderer.resting_offsets, STRAIGHT).any()


def test_an_open_mouth_is_retouched_within_bounds(renderer: MeshRenderer) -> None:
    wide = np.zeros(64, np.float32)
    wide[0] = 3
    fields = renderer.retouch.fields(renderer.offsets(wide), STRAIGHT)
    assert 0.02 < np.abs(fields[..., 2:]).max() <= GAIN
    assert 0.2 < np.abs(fields[..., :2]).max() <= MAX_DISPLACEMENT * renderer.unit * 2
    assert not fields[0].any() and not fields[:, -1].any(), "no border is seen"
    far = renderer.retouch.fields(renderer.offsets(20 * wide), STRAIGHT)
    assert np.abs(far[..., 2:]).max() < 0.4, "what was never seen is held back"


def network_of(weights: RetouchWeights) -> RetouchNetwork:
    network = RetouchNetwork(weights.dimensions)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.tensors.items()}, strict=False)
    return network.eval()


@torch.inference_mode()
def test_the_look_at_a_portrait_equals_the_networks() -> None:
    torch.manual_seed(0)
    network, generator = RetouchNetwork().eval(), np.random.default_rng(0)
    mouth = generator.uniform(0, 1, (3, CROP, CROP)).astype(np.float32)
    person = generator.normal(0, 1, network.person.in_features).astype(np.float32)
    wanted = network.bases(torch.from_numpy(mouth)[None], torch.from_numpy(person)[None])[0].numpy()
    weights = weights_of(network)
    assert weights.tensors.keys() == weights.dimensions.shapes().keys()
    np.testing.assert_allclose(weights.bases(mouth, person), wanted, rtol=0, atol=1e-5)


def test_the_frames_share_equals_the_network(renderer: MeshRenderer, speaking: np.ndarray) -> None:
    weights = retouch_weights.load()
    network = network_of(weights)
    own = -renderer.resting_offsets
    model = FaceModel.load()
    turn = np.array([0.1, -0.2, 0.05], np.float32)
    with torch.inference_mode():
        retouch = Retouch(weights, renderer.person, renderer.texture_points, renderer.resting_face, own)
        bases = torch.from_numpy(retouch._bases.reshape(1, -1, retouch.grid, retouch.grid, 5)).permute(0, 1, 4, 2, 3)
        person = torch.from_numpy(person_features(renderer.resting_face, own))[None]
        at_own = torch.from_numpy(motion_features(own, STRAIGHT))[None]
        for offsets in model.offsets(speaking[:5]):
            motion = torch.from_numpy(motion_features(offsets, turn))[None]
            wanted = network.fields(bases, motion, at_own, person)[0].permute(1, 2, 0).numpy()
            found = retouch.fields(offsets, turn)
            assert np.abs(found[..., 2:] - wanted[..., 2:]).max() < 1e-5
            in_crop = found[..., :2] @ np.linalg.inv(retouch._to_texture).T
            assert np.abs(in_crop - wanted[..., :2]).max() < 1e-5


def test_a_trackers_noise_does_not_flicker(renderer: MeshRenderer, speaking: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    for expression in speaking[:10]:
        offsets = renderer.offsets(expression)
        noise = generator.normal(0, 0.003, offsets.shape).astype(np.float32)
        one, other = (renderer.retouch.fields(part, STRAIGHT) for part in (offsets, offsets + noise))
        assert np.abs(one - other)[..., 2:].max() < 0.02, "two grey levels in a hundred"


def test_the_frame_is_retouched_around_the_mouth_alone() -> None:
    renderer = MeshRenderer(AvatarLibrary(Path("does-not-exist")).get("kenji"), 256, folds=NO_FOLDS)
    wide = np.zeros(64, np.float32)
    wide[0] = 3
    scene = renderer.scene(renderer.offsets(wide), STILL, AHEAD, 0.0)
    maps = np.zeros((2, 256, 256), np.float32)
    fill_triangles(scene.vertices, renderer.texture_points, renderer.mesh.triangles, *maps)
    place = np.moveaxis(maps, 0, -1) @ renderer.retouch.to_grid[:, :2].T + renderer.retouch.to_grid[:, 2]
    around = ((place > 0) & (place < renderer.retouch.grid - 1)).all(axis=-1)
    full = renderer.render_offsets(renderer.offsets(wide), STILL, AHEAD, 0.0).astype(int)
    plain = renderer.render_offsets(renderer.offsets(wide), STILL, AHEAD, 0.0, layers=False).astype(int)
    below_eyes = slice(round(float(scene.vertices[1, 1])), None)
    changed = np.abs(full - plain).max(axis=-1) > 2
    assert changed[around].mean() > 0.05
    assert not (changed & ~around)[below_eyes].any()


def test_the_weight_file_is_small_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    assert (FOLDER / "mouth.safetensors").stat().st_size < 1_000_000
    path = tmp_path / "mouth.safetensors"
    retouch_network.save(RetouchNetwork(), {"purpose": "test"}, path)
    assert retouch_weights.load(path).dimensions == RetouchNetwork().dimensions
    with pytest.raises(CheckpointError, match="mesh64"):
        retouch_weights.load(FOLDER / "mesh64.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="damaged"):
        retouch_weights.load(tmp_path / "damaged.safetensors")
