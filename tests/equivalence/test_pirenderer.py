"""The renderer draws what the official one draws."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from styletalk_core.checkpoint import renderer_from_official
from styletalk_core.errors import InputError
from styletalk_core.pirenderer import PIRenderer, RendererDimensions, motion_windows
from tests.equivalence.make_golden import (
    GOLDEN,
    IMAGE_TOLERANCE,
    TINY_RENDERER,
    TOLERANCE,
    official_renderer_difference,
    renderer_inputs,
    renderer_outputs,
    seeded,
)

OFFICIAL = Path(__file__).parents[3] / "shared" / "golden"
needs_official = pytest.mark.skipif(not OFFICIAL.is_dir(), reason="../shared/golden is not here")


@pytest.fixture(scope="module")
def renderer() -> PIRenderer:
    model = PIRenderer(TINY_RENDERER)
    seeded(model, seed=4)
    return model


def test_renderer_reproduces_the_golden_file(renderer: PIRenderer) -> None:
    golden = load_file(GOLDEN / "pirenderer.safetensors")
    for name, value in renderer_outputs(renderer, *renderer_inputs(seed=5)).items():
        torch.testing.assert_close(value, golden[name], rtol=1e-4, atol=1e-4, msg=name)


@torch.inference_mode()
def test_a_frame_looks_the_same_in_any_batch(renderer: PIRenderer) -> None:
    image, motion = renderer_inputs(seed=6)
    state = renderer.prepare(image)
    both = renderer.render(state, motion)
    torch.testing.assert_close(renderer.render(state, motion[1:])[0], both[1], rtol=0, atol=1e-4)


@needs_official
def test_renderer_equals_the_official_one() -> None:
    for name, value in official_renderer_difference(OFFICIAL).items():
        assert value < (IMAGE_TOLERANCE if name.endswith("image") else TOLERANCE), name


@needs_official
def test_every_tensor_of_the_published_file_has_its_place() -> None:
    shapes = json.loads((OFFICIAL / "official_state_dict_shapes.json").read_text())["renderer"]
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    model = renderer_from_official(tensors, RendererDimensions(), "published")
    own = sum(value.numel() for value in model.state_dict().values())
    unused = sum(value.numel() for name, value in tensors.items() if ".conv1." in name or ".norm1." in name)
    assert own + unused == sum(value.numel() for value in tensors.values())
    assert round(unused / 1e6, 2) == 3.18


def test_a_stream_repeats_the_newest_motion() -> None:
    motion = torch.arange(40.0)[:, None].expand(40, 73)
    assert motion_windows(motion)[20, 0].tolist() == list(range(7, 34))
    assert motion_windows(motion, known_future=1)[20, 0].tolist() == [*range(7, 22), *[21] * 12]
    assert motion_windows(motion)[0, 0, :14].tolist() == [0] * 14


def test_bad_pictures_and_motion_are_refused(renderer: PIRenderer) -> None:
    image, motion = renderer_inputs(seed=6)
    with pytest.raises(InputError, match=r"\(3, 60, 64\)"):
        renderer.prepare(image[:, :60])
    with pytest.raises(InputError, match=r"\(2, 73, 26\)"):
        renderer.render(renderer.prepare(image), motion[..., 1:])
    with pytest.raises(InputError, match="not finite"):
        renderer.render(renderer.prepare(image), motion * torch.nan)
