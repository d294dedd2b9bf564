"""The paper's renderer renders the same frames as the official implementation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from styletalk_core.errors import InputError
from styletalk_core.models.checkpoint import renderer_from_official
from styletalk_core.models.pirenderer import RADIUS, PIRenderer, RendererDimensions, motion_windows, warp
from styletalk_core.rendering.motion_window import MotionWindow
from tests.equivalence.make_golden import (
    OFFICIAL_TINY_RENDERER,
    TINY_RENDERER,
    golden_excess,
    official_renderer_excess,
    renderer_inputs,
    renderer_outputs,
    seeded,
    stored_weights,
)
from tests.equivalence.rounding import rounding_bounds

OFFICIAL = Path(__file__).parents[3] / "shared" / "golden"
needs_official = pytest.mark.skipif(not OFFICIAL.is_dir(), reason="../shared/golden is not here")


@pytest.fixture(scope="module")
def renderer() -> PIRenderer:
    return seeded(PIRenderer(TINY_RENDERER), seed=4)


def test_renderer_reproduces_the_golden_file() -> None:
    for name, excess in golden_excess("pirenderer", PIRenderer(TINY_RENDERER), renderer_outputs).items():
        assert excess <= 1, f"{name} is off by {excess:.2g} times what rounding explains"


def left_and_right_swapped(image: Tensor, flow: Tensor) -> Tensor:
    return warp(image, flow * torch.tensor([-1.0, 1.0]).to(flow)[:, None, None])


def across_and_down_swapped(image: Tensor, flow: Tensor) -> Tensor:
    return warp(image, flow.flip(1))


def half_a_hundredth_of_a_pixel_off(image: Tensor, flow: Tensor) -> Tensor:
    return warp(image, flow + 0.005)


@pytest.mark.parametrize("wrong", [left_and_right_swapped, across_and_down_swapped, half_a_hundredth_of_a_pixel_off])
def test_the_golden_file_tells_a_wrong_warp(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.equivalence.make_golden.warp", wrong)
    monkeypatch.setattr("styletalk_core.models.pirenderer.warp", wrong)
    found = golden_excess("pirenderer", PIRenderer(TINY_RENDERER), renderer_outputs)
    assert found["flow_field"] <= 1 < min(found["warp_image"], found["fake_image"])


@torch.inference_mode()
def test_a_frame_looks_the_same_in_any_batch(renderer: PIRenderer) -> None:
    image, motion = renderer_inputs(seed=5)
    state = renderer.prepare(image)
    both = renderer.render(state, motion)
    bound = rounding_bounds(renderer, renderer_outputs, (image, motion))["fake_image"]
    torch.testing.assert_close(renderer.render(state, motion[1:])[0], both[1], rtol=0, atol=2 * bound)


@needs_official
def test_renderer_equals_the_official_one() -> None:
    for name, excess in official_renderer_excess(OFFICIAL).items():
        assert excess <= 1, f"{name} is off by {excess:.2g} times what rounding explains"


@needs_official
@torch.inference_mode()
def test_a_stream_of_motion_gives_the_official_window_and_image() -> None:
    """Motion frames pushed one by one, the renderer waiting for all 13 future ones."""
    stored = load_file(OFFICIAL / "pirenderer_official_tiny.safetensors")
    model = renderer_from_official(stored_weights(stored), OFFICIAL_TINY_RENDERER, "official tiny")
    for image, motion, wanted in zip(stored["in.image"], stored["in.motion"], stored["out.fake_image"], strict=True):
        window = MotionWindow(RADIUS)
        for frame in motion.T.numpy():
            cut = window.push(frame)
        np.testing.assert_array_equal(cut, motion.numpy())
        drawn = model.render(model.prepare(image), torch.from_numpy(cut)[None])[0]
        assert float((drawn - wanted.float()).abs().max()) < 2e-3


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


def test_bad_images_and_motion_are_refused(renderer: PIRenderer) -> None:
    image, motion = renderer_inputs(seed=6)
    with pytest.raises(InputError, match=r"\(3, 60, 64\)"):
        renderer.prepare(image[:, :60])
    with pytest.raises(InputError, match=r"\(2, 73, 26\)"):
        renderer.render(renderer.prepare(image), motion[..., 1:])
    with pytest.raises(InputError, match="not finite"):
        renderer.render(renderer.prepare(image), motion * torch.nan)
