"""The networks compute what the official ones compute."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from styletalk_core.checkpoint import from_official
from styletalk_core.phone_windows import probability_columns
from styletalk_core.styletalk import StyleTalk
from tests.equivalence.make_golden import GOLDEN, TINY, TOLERANCE, inputs, official_difference, outputs, seeded

OFFICIAL = Path(__file__).parents[3] / "shared" / "golden"
needs_official = pytest.mark.skipif(not OFFICIAL.is_dir(), reason="../shared/golden is not here")


@pytest.fixture(scope="module")
def model() -> StyleTalk:
    model = StyleTalk(TINY)
    seeded(model, seed=1)
    return model


def test_networks_reproduce_the_golden_file(model: StyleTalk) -> None:
    golden = load_file(GOLDEN / "styletalk.safetensors")
    for name, value in outputs(model, *inputs(seed=2)).items():
        torch.testing.assert_close(value, golden[name], rtol=TOLERANCE, atol=TOLERANCE, msg=name)


def test_one_hot_columns_equal_phone_ids(model: StyleTalk) -> None:
    phones, clips, pad = inputs(seed=3)
    with torch.inference_mode():
        state = model.mix_style(model.style_encoder(clips, pad))
        torch.testing.assert_close(
            model.decode(torch.from_numpy(probability_columns(phones.numpy())), state),
            model.decode(phones, state),
            rtol=0,
            atol=1e-5,
        )


@needs_official
def test_networks_equal_the_official_ones() -> None:
    assert official_difference(OFFICIAL) < TOLERANCE


@needs_official
def test_every_tensor_of_the_published_file_has_its_place() -> None:
    shapes = json.loads((OFFICIAL / "official_state_dict_shapes.json").read_text())["styletalk"]
    tables = {name: shape for name, shape in shapes.items() if name.endswith("pos_table")}
    weights = {name: torch.zeros(shape) for name, shape in shapes.items() if name not in tables}
    model = from_official(weights, "published")
    assert sum(value.numel() for value in model.state_dict().values()) == sum(map(torch.Tensor.numel, weights.values()))
    assert model.dimensions.lower == TINY.lower
