"""Writes the golden files, after proving the StyleTalk and renderer networks equal to the official ones.

The weights are drawn from a frozen random stream, so that only inputs' seed and outputs need storing:
``python -m tests.equivalence.make_golden ../shared/golden``.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from styletalk_core.checkpoint import from_official, renderer_from_official
from styletalk_core.dimensions import BFM64_LOWER, Dimensions
from styletalk_core.pirenderer import PIRenderer, RendererDimensions, warp
from styletalk_core.styletalk import StyleTalk

GOLDEN = Path(__file__).with_name("golden")
TINY = Dimensions(width=16, heads=8, feed_forward=48, phone_embedding=8, lower=BFM64_LOWER)
TOLERANCE = 1e-5
OFFICIAL_TINY_RENDERER = RendererDimensions(descriptor=32, widest=32, warping_base=8, editing_base=8)
TINY_RENDERER = RendererDimensions(descriptor=8, widest=8, warping_base=4, editing_base=4)
IMAGE_TOLERANCE = 2e-3
"""Official pictures are stored as float16."""


def seeded(module: nn.Module, seed: int) -> nn.Module:
    """Fills a module from NumPy's frozen Mersenne stream, scaled by fan-in."""
    stream = np.random.RandomState(seed)
    for name, value in module.state_dict().items():
        scale = 0.5 if value.dim() < 2 else 1.5 / np.sqrt(value[0].numel())
        offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        value.copy_(torch.from_numpy(offset + scale * stream.standard_normal(value.shape)))
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


def official_difference(folder: Path) -> float:
    """Largest relative difference to the official networks' outputs stored in folder."""
    stored = load_file(folder / "styletalk_official_tiny.safetensors")
    weights = {name.removeprefix("weights."): value for name, value in stored.items() if name.startswith("weights.")}
    model = from_official(weights, "official tiny")
    found = outputs(model, stored["in.phones"], stored["in.style_clip"], stored["in.style_pad_mask"])
    with torch.inference_mode():
        found["style_code_first_100_frames_unpadded"] = model.style_encoder(stored["in.style_clip"][:1, :100])
    return max(
        float((value - stored[f"out.{name}"]).abs().max() / stored[f"out.{name}"].abs().max())
        for name, value in found.items()
    )


def renderer_inputs(seed: int) -> tuple[Tensor, Tensor]:
    """A portrait (3, 64, 64) and motion windows (2, 73, 27)."""
    stream = np.random.RandomState(seed)
    image = torch.from_numpy(stream.uniform(-1, 1, (3, 64, 64))).float()
    return image, torch.from_numpy(stream.standard_normal((2, 73, 27))).float()


@torch.inference_mode()
def renderer_outputs(model: PIRenderer, image: Tensor, motion: Tensor) -> dict[str, Tensor]:
    """Descriptor, flow, warped and final picture of one portrait."""
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


def official_renderer_difference(folder: Path) -> dict[str, float]:
    """Largest difference to each of the official renderer's outputs: relative, of pictures absolute."""
    stored = load_file(folder / "pirenderer_official_tiny.safetensors")
    weights = {name.removeprefix("weights."): value for name, value in stored.items() if name.startswith("weights.")}
    model = renderer_from_official(weights, OFFICIAL_TINY_RENDERER, "official tiny")
    found: dict[str, float] = {}
    for row in range(len(stored["in.image"])):
        outputs = renderer_outputs(model, stored["in.image"][row], stored["in.motion"][row : row + 1])
        for name, value in outputs.items():
            wanted = stored[f"out.{name}"][row].float()
            scale = 1.0 if name.endswith("image") else float(wanted.abs().max())
            difference = float((value[0].reshape(wanted.shape) - wanted).abs().max()) / scale
            found[name] = max(found.get(name, 0.0), difference)
    return found


def main(folder: Path) -> None:
    """Writes the golden file, or stops when the networks differ from the official ones."""
    difference = official_difference(folder)
    if difference > TOLERANCE:
        sys.exit(f"the networks differ from the official ones by {difference:.2g}")
    for name, value in official_renderer_difference(folder).items():
        if value > (IMAGE_TOLERANCE if name.endswith("image") else TOLERANCE):
            sys.exit(f"the renderer's {name} differs from the official one by {value:.2g}")
    model = StyleTalk(TINY)
    seeded(model, seed=1)
    GOLDEN.mkdir(exist_ok=True)
    save_file(outputs(model, *inputs(seed=2)), GOLDEN / "styletalk.safetensors")
    renderer = PIRenderer(TINY_RENDERER)
    seeded(renderer, seed=4)
    pictures = renderer_outputs(renderer, *renderer_inputs(seed=5))
    save_file({name: value.contiguous() for name, value in pictures.items()}, GOLDEN / "pirenderer.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
