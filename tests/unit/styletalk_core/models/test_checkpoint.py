"""Weight files are loaded strictly, and errors name the tensor."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from styletalk_core.errors import CheckpointError
from styletalk_core.models.checkpoint import fill, load, load_official, save
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.models.weight_file import FORMAT

SMALL = Dimensions(width=32, heads=4, feed_forward=64, phone_embedding=16)


@pytest.fixture
def model() -> StyleTalk:
    torch.manual_seed(0)
    return StyleTalk(SMALL).eval()


def test_a_saved_network_comes_back_with_its_size_and_card(model: StyleTalk, tmp_path: Path) -> None:
    save(model, {"terms": "research use"}, tmp_path / "net.safetensors")
    found = load(tmp_path / "net.safetensors")
    assert found.model.dimensions == SMALL and found.card == {"terms": "research use"}
    for name, value in found.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


def test_half_precision_storage_halves_the_file(model: StyleTalk, tmp_path: Path) -> None:
    save(model, {}, tmp_path / "full.safetensors")
    save(model, {}, tmp_path / "half.safetensors", torch.float16)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size
    assert load(tmp_path / "half.safetensors").model.upper.norm.weight.dtype == torch.float32


def test_a_truncated_file_is_refused(model: StyleTalk, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save(model, {}, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"net\.safetensors cannot be read"):
        load(path)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=FORMAT):
        load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("damage", ["missing", "shape", "unknown", "nan"])
def test_the_wrong_tensor_is_named(model: StyleTalk, damage: str, tmp_path: Path) -> None:
    tensors = dict(model.state_dict())
    name = "lower.layers.1.linear1.weight"
    if damage == "missing":
        del tensors[name]
    elif damage == "shape":
        tensors[name] = tensors[name][:3]
    elif damage == "unknown":
        name = "lower.layers.9.norm1.weight"
        tensors[name] = torch.zeros(3)
    else:
        tensors[name] = torch.full_like(tensors[name], torch.nan)
    with pytest.raises(CheckpointError, match=name):
        fill(model, tensors, "file")


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    torch.save({"model_state_dict": Path("x")}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match=r"bad\.pth"):
        load_official(tmp_path / "bad.pth")


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"net_G": {"x": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="not a StyleTalk checkpoint"):
        load_official(tmp_path / "other.pth")


def test_saving_leaves_no_partial_file(model: StyleTalk, tmp_path: Path) -> None:
    save(model, {}, tmp_path / "net.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]
    assert len(load_file(tmp_path / "net.safetensors")) == len(model.state_dict())
