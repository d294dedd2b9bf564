"""Checkpoints with the names and shapes of the published ones and random weights, since the real ones cannot be had."""

import re
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from styletalk_core.models.dimensions import BFM64_LOWER, Dimensions
from styletalk_core.models.pirenderer import PIRenderer
from styletalk_core.models.styletalk import StyleTalk

PAPER: Final = Dimensions(lower=BFM64_LOWER)
_MOTION: Final = (
    (r"^content_encoder\.layers", "content_encoder.encoder.layers"),
    (r"^content_encoder\.embedding", "content_encoder.ph_embedding"),
    (r"^content_encoder\.project", "content_encoder.increase_embed_dim"),
    (r"^style_encoder\.layers", "style_encoder.encoder.layers"),
    (r"^style_encoder\.pooling", "style_encoder.aggregate_method.W"),
    (r"^style_encoder\.project", "style_encoder.increase_embed_dim"),
    (r"^(upper|lower)\.(layers\.\d+\.linear1)\.attention", r"\1.\2.dynamic_conv.attention.net"),
    (r"^(upper|lower)\.(layers\.\d+\.linear1)\.(weight|bias)", r"\1.\2.dynamic_conv.\3"),
    (r"^(upper|lower)\.tail", r"decoder.\1_tail_fc"),
    (r"^(upper|lower)\.", r"decoder.\1_decoder."),
)
_RENDERER: Final = (
    (r"^mapping\.first", "mapping_net.first.0"),
    (r"^mapping\.layers\.(\d+)", r"mapping_net.encoder\1.1"),
    (r"^warping\.first", "warpping_net.hourglass.encoder.input_layer"),
    (r"^warping\.down\.(\d+)", r"warpping_net.hourglass.encoder.encoder\1"),
    (r"^warping\.up\.(\d+)", r"warpping_net.hourglass.decoder.decoder\1"),
    (r"^warping\.flow_norm", "warpping_net.flow_out.0"),
    (r"^warping\.flow\.", "warpping_net.flow_out.2."),
    (r"^editing\.res\.(\d+)\.(\d+)\.(conv|norm)", r"editing_net.decoder.res\1.res\2.\g<3>2"),
    (r"^editing\.final", "editing_net.decoder.final.model.0"),
    (r"^editing\.first\.conv", "editing_net.encoder.first.model.0"),
    (r"^editing\.first\.norm", "editing_net.encoder.first.model.1"),
    (r"^editing\.down\.(\d+)\.conv", r"editing_net.encoder.down\1.model.0"),
    (r"^editing\.down\.(\d+)\.norm", r"editing_net.encoder.down\1.model.1"),
    (r"^editing\.(up|jump)\.(\d+)\.conv", r"editing_net.decoder.\1\2.model.0"),
    (r"^editing\.(up|jump)\.(\d+)\.norm", r"editing_net.decoder.\1\2.model.1"),
    (r"\.shared\.", ".mlp_shared.0."),
    (r"\.(gamma|beta)\.", r".mlp_\1."),
)
"""Own tensor names to official ones."""


def motion_checkpoint(path: Path, seed: int = 0) -> StyleTalk:
    """Writes a file like the published one of StyleTalk; returns the network."""
    torch.manual_seed(seed)
    model = StyleTalk(PAPER).eval()
    # Experts of the published temperature are hardly told apart at random: wider scores make styles differ.
    for name, value in model.state_dict().items():
        if "attention.2" in name or "tail.4.weight" in name:
            value.mul_(30)
    tensors = {_renamed(name, _MOTION): value for name, value in model.state_dict().items()}
    for name, value in tensors.items():
        if ".dynamic_conv." in name and value.dim() >= 2 and not name.endswith("bias"):
            tensors[name] = value[..., None, None]
    torch.save({"model_state_dict": tensors}, path)
    return model


def renderer_checkpoint(path: Path, seed: int = 0) -> None:
    """Writes a file like the published one of the PIRenderer, without the tensors that have no effect."""
    torch.manual_seed(seed)
    tensors = {_renamed(name, _RENDERER): value for name, value in PIRenderer().state_dict().items()}
    torch.save({"net_G_ema": tensors}, path)


def _renamed(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for own, official in table:
        name = re.sub(own, official, name)
    return name


def shapes_of(path: Path) -> dict[str, list[int]]:
    """Return the shapes of the tensors of such a file by name."""
    (tensors,) = torch.load(path, weights_only=True).values()
    return {name: list(value.shape) for name, value in tensors.items() if isinstance(value, Tensor)}
