"""The networks compute the same output as the official ones."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from styletalk_core.models.checkpoint import from_official
from styletalk_core.models.dimensions import MESH64_LOWER, Dimensions
from styletalk_core.models.phone_windows import probability_columns
from styletalk_core.models.styletalk import StyleTalk
from tests.equivalence.make_golden import TINY, golden_excess, inputs, official_excess, outputs, seeded
from tests.equivalence.rounding import rounding_bounds

OFFICIAL = Path(__file__).parents[3] / "shared" / "golden"
needs_official = pytest.mark.skipif(not OFFICIAL.is_dir(), reason="../shared/golden is not here")


@pytest.fixture(scope="module")
def model() -> StyleTalk:
    return seeded(StyleTalk(TINY), seed=1)


def test_networks_reproduce_the_golden_file() -> None:
    for name, excess in golden_excess("styletalk", StyleTalk(TINY), outputs).items():
        assert excess <= 1, f"{name} is off by {excess:.2g} times what rounding explains"


@pytest.mark.parametrize("wrong", [replace(TINY, temperature=30.3), replace(TINY, lower=MESH64_LOWER)])
def test_the_golden_file_tells_a_temperature_off_by_a_hundredth_and_swapped_coefficients(wrong: Dimensions) -> None:
    found = golden_excess("styletalk", StyleTalk(wrong), outputs)
    assert found["style_code"] <= 1 < found["expression"]


def test_one_hot_columns_equal_phone_ids(model: StyleTalk) -> None:
    phones, clips, pad = inputs(seed=3)
    bound = rounding_bounds(model, outputs, (phones, clips, pad))["expression"]
    with torch.inference_mode():
        state = model.mix_style(model.style_encoder(clips, pad))
        torch.testing.assert_close(
            model.decode(torch.from_numpy(probability_columns(phones.numpy())), state),
            model.decode(phones, state),
            rtol=0,
            atol=2 * bound,
        )


@needs_official
def test_networks_equal_the_official_ones() -> None:
    for name, excess in official_excess(OFFICIAL).items():
        assert excess <= 1, f"{name} is off by {excess:.2g} times what rounding explains"


@needs_official
def test_every_tensor_of_the_published_file_has_its_place() -> None:
    shapes = json.loads((OFFICIAL / "official_state_dict_shapes.json").read_text())["styletalk"]
    tables = {name: shape for name, shape in shapes.items() if name.endswith("pos_table")}
    weights = {name: torch.zeros(shape) for name, shape in shapes.items() if name not in tables}
    model = from_official(weights, "published")
    assert sum(value.numel() for value in model.state_dict().values()) == sum(map(torch.Tensor.numel, weights.values()))
    assert model.dimensions.lower == TINY.lower
