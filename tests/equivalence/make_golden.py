"""Writes the golden file of the StyleTalk networks, after proving these networks equal to the official ones.

The weights are drawn from a frozen random stream, so that only inputs' seed and outputs need storing:
``python -m tests.equivalence.make_golden ../shared/golden``.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from styletalk_core.checkpoint import from_official
from styletalk_core.styletalk import BFM64_LOWER, Dimensions, StyleTalk

GOLDEN = Path(__file__).with_name("golden")
TINY = Dimensions(width=16, heads=8, feed_forward=48, phone_embedding=8, lower=BFM64_LOWER)
TOLERANCE = 1e-5


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


def main(folder: Path) -> None:
    """Writes the golden file, or stops when the networks differ from the official ones."""
    difference = official_difference(folder)
    if difference > TOLERANCE:
        sys.exit(f"the networks differ from the official ones by {difference:.2g}")
    model = StyleTalk(TINY)
    seeded(model, seed=1)
    GOLDEN.mkdir(exist_ok=True)
    save_file(outputs(model, *inputs(seed=2)), GOLDEN / "styletalk.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
