"""Writes the golden files, after proving the StyleTalk and renderer networks equal to the official ones:
``python -m tests.equivalence.make_golden ../shared/golden``.

A file contains the weights and inputs of a tiny network (``weights.*``, ``in.*``) and its float64 output (``out.*``),
so that no random numbers are needed for the comparison. The weights are exact in float16, to keep the file small.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from styletalk_core.models.checkpoint import from_official, renderer_from_official
from styletalk_core.models.dimensions import BFM64_LOWER, Dimensions
from styletalk_core.models.pirenderer import PIRenderer, RendererDimensions, warp
from styletalk_core.models.styletalk import StyleTalk
from tests.equivalence.rounding import exact, rounding_bounds

GOLDEN = Path(__file__).with_name("golden")
TINY = Dimensions(width=16, heads=8, feed_forward=48, phone_embedding=8, lower=BFM64_LOWER)
OFFICIAL_TINY_RENDERER = RendererDimensions(descriptor=32, widest=32, warping_base=8, editing_base=8)
TINY_RENDERER = RendererDimensions(descriptor=8, widest=8, warping_base=4, editing_base=4)
HALF_PRECISION = 2.0**-12
"""Official images are stored as float16; this is half its step size just below 1."""
BOTH_ROUND = 2.0
"""The official outputs are float32 as well: the bound on rounding holds for either side."""
M = TypeVar("M", bound=nn.Module)


def seeded(module: M, seed: int) -> M:
    """Fills a module from NumPy's Mersenne stream, scaled by fan-in, with values that are exact in float16."""
    stream = np.random.RandomState(seed)
    for name, value in module.state_dict().items():
        scale = 0.5 if value.dim() < 2 else 1.5 / np.sqrt(value[0].numel())
        offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        value.copy_(torch.from_numpy(offset + scale * stream.standard_normal(value.shape)).half())
    return module.eval()


def inputs(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Phones (2, 5, 11) int64, style clips (2, 256, 64) and their padding (2, 256), the second 90 frames short."""
    stream = np.random.RandomState(seed)
    phones = torch.from_numpy(stream.randint(0, 41, (2, 5, 11)))
    clips = torch.from_numpy(stream.standard_normal((2, 256, 64))).float()
    pad = torch.zeros(2, 256, dtype=torch.bool)
    pad[1, 166:] = True
    return phones, clips, pad


def outputs(model: StyleTalk, phones: Tensor, clips: Tensor, pad: Tensor) -> dict[str, Tensor]:
    """Content, style codes and expression coefficients of one run."""
    with torch.inference_mode():
        code = model.style_encoder(clips, pad)
        return {
            "content": model.content_encoder(phones),
            "style_code": code,
            "expression": model.decode(phones, model.mix_style(code)),
        }


def official_excess(folder: Path) -> dict[str, float]:
    """Of each output of the official networks stored in folder: the largest difference, in tolerances."""
    stored = load_file(folder / "styletalk_official_tiny.safetensors")
    model = from_official(stored_weights(stored), "official tiny")
    given = [stored["in.phones"], stored["in.style_clip"], stored["in.style_pad_mask"]]

    def run(model: StyleTalk, phones: Tensor, clips: Tensor, pad: Tensor) -> dict[str, Tensor]:
        with torch.inference_mode():
            unpadded = model.style_encoder(clips[:1, :100])
        return outputs(model, phones, clips, pad) | {"style_code_first_100_frames_unpadded": unpadded}

    bounds = rounding_bounds(model, run, given)
    return {
        name: float((value - stored[f"out.{name}"]).abs().max()) / (BOTH_ROUND * bounds[name])
        for name, value in run(model, *given).items()
    }


def renderer_inputs(seed: int) -> tuple[Tensor, Tensor]:
    """A portrait (3, 64, 64) and motion windows (2, 73, 27).

    The portrait is smooth: a warp turns an error of the flow into one of the picture, times the picture's gradient.
    """
    stream = np.random.RandomState(seed)
    y, x = np.mgrid[:64, :64] / 64
    waves = [np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in stream.uniform(-0.7, 0.7, (3, 3))]
    image = torch.from_numpy(0.9 * np.stack(waves)).float()
    return image, torch.from_numpy(stream.standard_normal((2, 73, 27))).float()


@torch.inference_mode()
def renderer_outputs(model: PIRenderer, image: Tensor, motion: Tensor) -> dict[str, Tensor]:
    """Descriptor, flow, warped image and final image of one portrait."""
    state = model.prepare(image)
    descriptor = model.mapping(motion)
    flow = model.warping(state.warping.expand(len(motion), -1, -1, -1), descriptor)
    warped = warp(state.image.expand(len(motion), -1, -1, -1), flow)
    return {
        "descriptor": descriptor,
        "flow_field": flow,
        "warp_image": warped,
        "fake_image": model.render(state, motion),
    }


def official_renderer_excess(folder: Path) -> dict[str, float]:
    """Of each output of the official renderer stored in folder: the largest difference, in tolerances."""
    stored = load_file(folder / "pirenderer_official_tiny.safetensors")
    model = renderer_from_official(stored_weights(stored), OFFICIAL_TINY_RENDERER, "official tiny")
    found: dict[str, float] = {}
    images = [[stored["in.image"][row], stored["in.motion"][row : row + 1]] for row in range(len(stored["in.image"]))]
    bounds = rounding_bounds(model, renderer_outputs, images[0])  # the others are noise of the same kind
    for row, given in enumerate(images):
        for name, value in renderer_outputs(model, *given).items():
            wanted = stored[f"out.{name}"][row]
            tolerance = BOTH_ROUND * bounds[name] + (HALF_PRECISION if wanted.dtype == torch.float16 else 0.0)
            difference = float((value[0].reshape(wanted.shape) - wanted.float()).abs().max())
            found[name] = max(found.get(name, 0.0), difference / tolerance)
    return found


def stored_weights(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a file that holds inputs and outputs as well, as float32."""
    return {name.removeprefix("weights."): value.float() for name, value in stored.items() if name[:8] == "weights."}


def write_golden(name: str, model: M, run: Callable[..., dict[str, Tensor]], given: Mapping[str, Tensor]) -> None:
    """Stores the model's weights, what it is given, and what it computes of that in float64."""
    wide = [value.double() if value.is_floating_point() else value for value in given.values()]
    content = {f"weights.{key}": value.half() for key, value in model.state_dict().items()}
    content |= {f"in.{key}": value for key, value in given.items()}  # keys in the order of the arguments
    content |= {f"out.{key}": value.float().contiguous() for key, value in run(exact(model), *wide).items()}
    save_file(content, GOLDEN / f"{name}.safetensors")


def golden_excess(name: str, model: M, run: Callable[..., dict[str, Tensor]]) -> dict[str, float]:
    """Of each output of a golden file: the largest difference to what the model computes, in tolerances.

    Args:
        name: of the file.
        model: of the file's dimensions; gets its weights.
    """
    stored = load_file(GOLDEN / f"{name}.safetensors")
    model.load_state_dict(stored_weights(stored))
    given = [stored[key] for key in sorted(stored) if key.startswith("in.")]
    bounds = rounding_bounds(model, run, given)
    return {
        key: float((value - stored[f"out.{key}"]).abs().max()) / bounds[key]
        for key, value in run(model, *given).items()
    }


def main(folder: Path) -> None:
    """Writes the golden files, or stops when the networks differ from the official ones."""
    for name, excess in (official_excess(folder) | official_renderer_excess(folder)).items():
        if excess > 1:
            sys.exit(f"{name} differs from the official one by {excess:.2g} times what rounding explains")
    GOLDEN.mkdir(exist_ok=True)
    phones, clips, pad = inputs(seed=2)
    write_golden(
        "styletalk", seeded(StyleTalk(TINY), seed=1), outputs, {"0_phones": phones, "1_clips": clips, "2_pad": pad}
    )
    image, motion = renderer_inputs(seed=5)
    write_golden(
        "pirenderer",
        seeded(PIRenderer(TINY_RENDERER), seed=4),
        renderer_outputs,
        {"0_image": image, "1_motion": motion},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
