"""Motion weights of either kind are told apart by content; anything else is refused in one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from official_checkpoints import PAPER, motion_checkpoint, renderer_checkpoint, shapes_of

from styletalk_core.errors import InputError
from styletalk_core.face.spaces import BFM64, MESH64
from styletalk_core.models.compiled.compiled_decoder import CompiledStyleTalk
from styletalk_core.models.compiled.kernel_choice import candidates
from styletalk_core.models.compiled.tile_kernel import Storage
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.models.weight_file import read_motion_weights
from styletalk_core.phones import PHONES, WINDOW
from styletalk_core.rendering.window_renderer import network_for
from styletalk_core.weights import MOTION, packaged_weights

SHAPES = Path(__file__).parents[5] / "shared" / "golden" / "official_state_dict_shapes.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def authors(folder: Path) -> StyleTalk:
    return motion_checkpoint(folder / "motion.bin")


@pytest.fixture(scope="module")
def renderer(folder: Path) -> Path:
    renderer_checkpoint(folder / "renderer.pt")
    return folder / "renderer.pt"


def test_both_kinds_are_read_whatever_they_are_called(folder: Path, authors: StyleTalk) -> None:
    weights = read_motion_weights(folder / "motion.bin")
    assert weights.dimensions == PAPER and weights.dimensions.space == BFM64
    for name, value in authors.state_dict().items():
        np.testing.assert_array_equal(weights.tensors[name], value.numpy())
    own = folder / "own.pth"
    own.write_bytes(packaged_weights(MOTION).read_bytes())
    assert read_motion_weights(own).dimensions.space == MESH64


@pytest.mark.skipif(not SHAPES.is_file(), reason="../shared/golden is not here")
@pytest.mark.usefixtures("authors")
def test_the_made_files_look_like_the_published_ones(folder: Path, renderer: Path) -> None:
    published = json.loads(SHAPES.read_text())
    tables = {name for name in published["styletalk"] if name.endswith("pos_table")}
    assert shapes_of(folder / "motion.bin") == {k: v for k, v in published["styletalk"].items() if k not in tables}
    unused = {name for name in published["renderer"] if ".conv1." in name or ".norm1." in name}
    assert shapes_of(renderer) == {k: v for k, v in published["renderer"].items() if k not in unused}


def test_the_compiled_decoder_gives_the_coefficients_of_the_official_formulas(folder: Path, authors: StyleTalk) -> None:
    weights = read_motion_weights(folder / "motion.bin")
    kernel = next(one for one in candidates(weights.dimensions) if one.storage is Storage.FLOAT32)
    random = np.random.default_rng(0)
    phones = random.integers(0, len(PHONES), (8, WINDOW))
    clip = random.standard_normal((256, 64)).astype(np.float32)
    code = authors.encode_style(torch.from_numpy(clip))
    with torch.inference_mode():
        state = authors.mix_style(code[None].expand(8, -1))
        expected = authors.decode(torch.from_numpy(phones), state).numpy()
    for decoder, bound in ((CompiledStyleTalk(weights, kernel), 1e-5), (CompiledStyleTalk(weights), 2e-3)):
        found = decoder.encode_style(clip)
        assert np.abs(found - code.numpy()).max() < 1e-5 * np.abs(code.numpy()).max()
        frames = decoder.decode(phones, decoder.mix_style(np.tile(found, (8, 1))))
        assert np.abs(frames - expected).max() < bound * np.abs(expected).max()


@pytest.mark.usefixtures("authors")
def test_every_other_file_is_refused_in_one_sentence(folder: Path, renderer: Path) -> None:
    whole = (folder / "motion.bin").read_bytes()
    (folder / "short.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "short.safetensors").write_bytes(packaged_weights(MOTION).read_bytes()[:-100])
    (folder / "text.pth").write_text("these are no weights")
    torch.save({"model_state_dict": Path("x")}, folder / "code.pth")
    torch.save({"layers": {"x": torch.zeros(1)}}, folder / "other.pth")
    torch.save({"model_state_dict": [torch.zeros(1)]}, folder / "list.pth")
    wrong = {
        "nowhere.pth": "cannot be read",
        "short.pth": "damaged",
        "short.safetensors": "cannot be read",
        "text.pth": "neither",
        "code.pth": "more than tensors",
        "other.pth": "not a StyleTalk checkpoint",
        "list.pth": "list",
        renderer.name: "PIRenderer, not of a motion network",
    }
    for name, reason in wrong.items():
        with pytest.raises(InputError, match=rf"{name}.*{reason}") as refused:
            read_motion_weights(folder / name)
        assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("authors")
def test_motion_weights_are_no_renderer(folder: Path) -> None:
    with pytest.raises(InputError, match=r"motion\.bin holds the weights of a motion network"):
        network_for("pirenderer", folder / "motion.bin")
