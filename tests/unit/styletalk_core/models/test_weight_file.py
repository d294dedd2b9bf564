"""A weight file is read strictly, and its tensor shapes are checked without building the network."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from styletalk_core.errors import CheckpointError
from styletalk_core.models.checkpoint import save
from styletalk_core.models.dimensions import BFM64_LOWER, Dimensions
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.models.weight_file import check_tensors, read, tensor_shapes

SMALL = Dimensions(width=64, heads=4, feed_forward=128, layers=2, phone_embedding=16)


@pytest.mark.parametrize(
    "dimensions",
    [
        SMALL,
        replace(SMALL, statistics=True, calibrated=True, own_rest=True),
        replace(SMALL, layers=1, experts=3, lower=BFM64_LOWER),
    ],
)
def test_the_shapes_are_those_of_the_network(dimensions: Dimensions) -> None:
    state = StyleTalk(dimensions).state_dict()
    assert tensor_shapes(dimensions) == {name: tuple(value.shape) for name, value in state.items()}


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    model = StyleTalk(SMALL)
    save(model, {"purpose": "test"}, tmp_path / "m.safetensors", torch.float16)
    weights = read(tmp_path / "m.safetensors")
    assert weights.dimensions == SMALL and weights.card == {"purpose": "test"}
    for name, value in model.state_dict().items():
        assert (weights.tensors[name] == value.half().float().numpy()).all(), name


def test_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    model = StyleTalk(SMALL)
    model.upper.norm.weight.data[3] = torch.nan
    save(model, {}, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match=r"upper\.norm\.weight contains values that are not finite"):
        read(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("found", "sentence"),
    [({}, "a .2,. is missing"), ({"a": (3,)}, "a has shape"), ({"a": (2,), "b": (1,)}, "b belongs to no part")],
)
def test_a_wrong_tensor_is_named(found: dict[str, tuple[int, ...]], sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        check_tensors(found, {"a": (2,)}, "file")
