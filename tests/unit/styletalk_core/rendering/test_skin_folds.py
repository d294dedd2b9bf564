"""An expression folds and shades the skin of the face smoothly, but neither its features nor what covers it."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.errors import CheckpointError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering import skin_folds
from styletalk_core.rendering.face_mesh import EYES, FACE_OVAL, LOWER_INNER_LIP, MESH, UPPER_INNER_LIP
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.skin_folds import MAX_DISPLACEMENT, MAX_GAIN, NO_FOLDS, FoldWeights, bare_skin
from styletalk_core.weights import FOLDER

STILL, AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)
PORTRAIT = AvatarLibrary(Path("does-not-exist")).get("amara")


@pytest.fixture(scope="module")
def renderer() -> MeshRenderer:
    return MeshRenderer(PORTRAIT, 256)


@pytest.fixture(scope="module")
def smile() -> np.ndarray:
    """Expression (64,) of the smile that the face model knows."""
    model = FaceModel.load()
    scores = np.zeros(52, np.float32)
    scores[[44, 45]] = 0.8  # mouthSmileLeft, mouthSmileRight
    return (scores @ model.from_scores).astype(np.float32)


def change(renderer: MeshRenderer, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Displacements (V, 2) px and logarithms (V,) of the gains."""
    source, gains = renderer.texture_points.copy(), np.ones((len(renderer.texture_points), 3), np.float32)
    renderer.folds.add(offsets, source, gains)
    assert (gains[:, :1] == gains).all(), "the skin keeps its colour"
    return source - renderer.texture_points, np.log(gains[:, 0])


def test_nothing_folds_at_the_photos_own_expression(renderer: MeshRenderer) -> None:
    moved, shade = change(renderer, -renderer.resting_offsets)
    assert np.abs(moved).max() < 1e-3 and np.abs(shade).max() < 1e-5


def test_a_smile_folds_the_skin_but_neither_lips_nor_lids_nor_the_outline(
    renderer: MeshRenderer, smile: np.ndarray
) -> None:
    moved, shade = change(renderer, renderer.offsets(smile))
    assert 0.01 < np.abs(shade).max() < MAX_GAIN
    assert np.abs(moved).max() > 0.004 * 2 * renderer.unit
    rims = [
        *FACE_OVAL,
        *UPPER_INNER_LIP,
        *LOWER_INNER_LIP,
        *(i for eye in EYES for i in (*eye.upper_lid, *eye.lower_lid)),
    ]
    assert not moved[rims].any() and not shade[rims].any()
    assert not moved[MESH:].any() and not shade[MESH:].any()


def test_what_was_never_seen_is_held_back(renderer: MeshRenderer, smile: np.ndarray) -> None:
    moved, shade = change(renderer, renderer.offsets(50 * smile))
    assert np.abs(shade).max() <= MAX_GAIN + 1e-6
    assert np.abs(moved).max() <= 2 * MAX_DISPLACEMENT * renderer.unit * 2


def test_both_sides_of_the_face_fold_alike() -> None:
    weights, model = skin_folds.load(), FaceModel.load()
    brows = np.zeros((1, 52), np.float32)
    brows[0, [1, 2]] = 0.8  # browDownLeft, browDownRight
    offsets = model.offsets(brows @ model.from_scores)[:, :MESH].reshape(1, -1)
    shade = (offsets @ weights.read.reshape(len(weights.read), -1).T @ weights.fields[..., 2])[0]
    left, right = shade[[55, 107, 205, 50]], shade[[285, 336, 425, 280]]
    assert np.abs(left - right).max() < 0.25 * np.abs(shade).max()


def test_a_trackers_noise_does_not_flicker(renderer: MeshRenderer) -> None:
    generator = np.random.default_rng(0)
    plain = MeshRenderer(PORTRAIT, 256, folds=NO_FOLDS)
    forehead = renderer.mesh.vertices[[54, 284, 105, 334], :2].round().astype(int)
    window = slice(forehead[:, 1].min(), forehead[:, 1].max()), slice(forehead[:, 0].min(), forehead[:, 0].max())
    differences = []
    for expression in generator.normal(0, 0.7, (8, 64)):
        noise = generator.normal(0, 0.03, 64)
        for each in (renderer, plain):
            one, other = (
                each.render_rgb(values.astype(np.float32), STILL, AHEAD, 0.0)[window].astype(float)
                for values in (expression, expression + noise)
            )
            differences.append(np.abs(one - other).mean())
    folded, unfolded = np.reshape(differences, (-1, 2)).mean(axis=0)
    assert folded - unfolded < 0.2, "grey levels"


def test_hair_over_the_skin_is_not_shaded(renderer: MeshRenderer) -> None:
    image, points = renderer.person[..., :3].copy(), renderer.texture_points[:MESH]
    cheeks, forehead = [50, 280, 205, 425], [151, 108, 337]
    assert bare_skin(image, points)[cheeks + forehead].min() > 0.5
    image[: round(float(points[[107, 336], 1].min()))] = (40, 25, 20)
    covered = bare_skin(image, points)
    assert covered[forehead].max() == 0 and covered[cheeks].min() > 0.5


def test_only_the_face_is_drawn_otherwise(renderer: MeshRenderer, smile: np.ndarray) -> None:
    plain = MeshRenderer(PORTRAIT, 256, folds=NO_FOLDS)
    folded, unfolded = (each.render_rgb(smile, STILL, AHEAD, 0.0).astype(int) for each in (renderer, plain))
    changed = np.abs(folded - unfolded).max(axis=-1) > 1
    y, x = np.nonzero(changed)
    low, high = renderer.mesh.vertices[list(FACE_OVAL), :2].min(0), renderer.mesh.vertices[list(FACE_OVAL), :2].max(0)
    assert changed.mean() > 0.01
    assert (np.column_stack([x, y]) > low - 3).all() and (np.column_stack([x, y]) < high + 0.3 * renderer.unit).all()


def test_the_weight_file_is_small_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    assert (FOLDER / "folds.safetensors").stat().st_size < 200_000
    path = tmp_path / "folds.safetensors"
    weights = skin_folds.load()
    # An array in another order of memory, as a matrix product yields it, is stored with the same values.
    FoldWeights(np.asfortranarray(weights.read), np.asfortranarray(weights.fields)).save({"purpose": "test"}, path)
    stored = skin_folds.load(path)
    assert (stored.read == weights.read).all() and (stored.fields == weights.fields).all()
    FoldWeights(weights.read[:, :10], weights.fields).save({}, tmp_path / "cut.safetensors")
    for name, path in (("mesh64", FOLDER / "mesh64.safetensors"), ("cut", tmp_path / "cut.safetensors")):
        with pytest.raises(CheckpointError, match=name):
            skin_folds.load(path)
    (tmp_path / "damaged.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="damaged"):
        skin_folds.load(tmp_path / "damaged.safetensors")
