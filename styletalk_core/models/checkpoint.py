"""Checkpoints: official StyleTalk and PIRenderer checkpoints, and this project's safetensors format.

Official files are loaded strictly and with ``weights_only=True``: every tensor is either loaded into the network or
explicitly ignored. Own files store the network's dimensions and a model card in the header; float16 is allowed.

Runs on: any thread; reads and writes files.
"""

import json
import logging
import pickle
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from styletalk_core.errors import CheckpointError
from styletalk_core.models import weight_file
from styletalk_core.models.dimensions import BFM64_LOWER, Dimensions
from styletalk_core.models.pirenderer import PIRenderer, RendererDimensions
from styletalk_core.models.styletalk import StyleTalk

_NAMES: Final = (
    ("content_encoder.encoder.layers", "content_encoder.layers"),
    ("content_encoder.ph_embedding", "content_encoder.embedding"),
    ("style_encoder.encoder.layers", "style_encoder.layers"),
    ("style_encoder.aggregate_method.W", "style_encoder.pooling"),
    ("increase_embed_dim", "project"),
    ("decoder.upper_decoder", "upper"),
    ("decoder.lower_decoder", "lower"),
    ("decoder.upper_tail_fc", "upper.tail"),
    ("decoder.lower_tail_fc", "lower.tail"),
    ("linear1.dynamic_conv.attention.net", "linear1.attention"),
    ("linear1.dynamic_conv", "linear1"),
)
"""Official tensor names to ours, applied in this order."""
_RENDERER_NAMES: Final = (
    (r"^mapping_net\.first\.0", "mapping.first"),
    (r"^mapping_net\.encoder(\d+)\.1", r"mapping.layers.\1"),
    (r"^warpping_net\.hourglass\.encoder\.input_layer", "warping.first"),
    (r"^warpping_net\.hourglass\.encoder\.encoder(\d+)", r"warping.down.\1"),
    (r"^warpping_net\.hourglass\.decoder\.decoder(\d+)", r"warping.up.\1"),
    (r"^warpping_net\.flow_out\.0", "warping.flow_norm"),
    (r"^warpping_net\.flow_out\.2", "warping.flow"),
    (r"^editing_net\.decoder\.res(\d+)\.res(\d+)\.(conv|norm)2", r"editing.res.\1.\2.\3"),
    (r"^editing_net\.decoder\.final\.model\.0", "editing.final"),
    (r"^editing_net\.(?:en|de)coder\.(down|up|jump)(\d+)\.model\.0", r"editing.\1.\2.conv"),
    (r"^editing_net\.(?:en|de)coder\.(down|up|jump)(\d+)\.model\.1", r"editing.\1.\2.norm"),
    (r"^editing_net\.encoder\.first\.model\.0", "editing.first.conv"),
    (r"^editing_net\.encoder\.first\.model\.1", "editing.first.norm"),
    (r"\.mlp_shared\.0\.", ".shared."),
    (r"\.mlp_(gamma|beta)\.", r".\1."),
)
"""Patterns of official renderer tensor names to ours."""
_RENDERER_UNUSED: Final = re.compile(r"^editing_net\.decoder\.res\d+\.res\d+\.(conv|norm)1\.")
"""Tensors of the branch whose result is overwritten in the official code."""
_MOTION_PART: Final = "model_state_dict"
_RENDERER_PART: Final = "net_G_ema"
"""Keys of the tensors in the official files."""
_POSITIONS: Final = "pos_embed.pos_table"
"""Sinusoid tables of the official file; computed here and verified against the file."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Stored network."""

    model: StyleTalk
    card: dict[str, Any]


def save(model: StyleTalk, card: Mapping[str, Any], path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Saves a weight file atomically."""
    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()}
    header = {
        "format": weight_file.FORMAT,
        "dimensions": json.dumps(asdict(model.dimensions)),
        "card": json.dumps(dict(card)),
    }
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata=header)
    partial.replace(path)


def load(path: Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Loads a weight file of this project.

    Raises:
        CheckpointError: as `weight_file.read`.
    """
    weights = weight_file.read(path)
    return Checkpoint(model_of(weights).to(device), dict(weights.card))


def model_of(weights: weight_file.Weights) -> StyleTalk:
    """Return the network of weights, ready for inference; inverse of `weights_of`."""
    model = StyleTalk(weights.dimensions)
    fill(model, {name: torch.from_numpy(value) for name, value in weights.tensors.items()}, "the weights")
    return model.eval()


def weights_of(model: StyleTalk) -> weight_file.Weights:
    """Return the weights of a network in the form of `weight_file.read`."""
    tensors = {name: value.float().numpy(force=True) for name, value in model.state_dict().items()}
    return weight_file.Weights(model.dimensions, tensors, {})


def load_official(path: Path) -> StyleTalk:
    """Reads the published StyleTalk checkpoint (a pickle with ``model_state_dict``), for the Basel face model.

    Raises:
        CheckpointError: as `load`.
    """
    stored = read_pickle(path)
    if _RENDERER_PART in stored:
        raise CheckpointError(f"{path} holds the weights of the PIRenderer, not of a motion network")
    tensors = _tensors(stored.get(_MOTION_PART, stored), path)
    own, ignored = {}, []
    for name, value in tensors.items():
        if name.startswith(("content_encoder.", "style_encoder.", "decoder.")):
            own[name] = value
        else:
            ignored.append(name)
    if ignored:
        logger.info("%s: ignored %d tensors: %s", path, len(ignored), ", ".join(ignored))
    return from_official(own, str(path))


def from_official(tensors: Mapping[str, Tensor], source: str, heads: int = 8, temperature: float = 30.0) -> StyleTalk:
    """Builds the network described by official tensors and loads them.

    Heads and temperature cannot be inferred from tensor shapes; the defaults are those of the published file.

    Raises:
        CheckpointError: a tensor is missing, unknown or misshapen, or a position table is not a sinusoid table.
    """
    renamed, positions = {}, {}
    for name, value in tensors.items():
        if name.endswith(_POSITIONS):
            positions[name] = value
            continue
        own = name
        for official, ours in _NAMES:
            own = own.replace(official, ours)
        # Official adaptive layers are 1x1 convolutions: (..., in, 1, 1) is our (..., in).
        renamed[own] = value[..., 0, 0] if value.dim() >= 4 else value
    model = StyleTalk(_official_dimensions(renamed, source, heads, temperature)).eval()
    tables = (model.content_encoder.positions, model.style_encoder.positions, model.upper.positions)
    for name, value in positions.items():
        if not any(table.shape == value.shape[1:] and torch.allclose(table, value[0], atol=1e-5) for table in tables):
            raise CheckpointError(f"{source}: {name} is not the sinusoid table of this network")
    fill(model, renamed, source)
    return model


def load_official_renderer(path: Path) -> PIRenderer:
    """Reads the published PIRenderer checkpoint (a pickle with ``net_G_ema``).

    Raises:
        CheckpointError: as `load`.
    """
    stored = read_pickle(path)
    if _MOTION_PART in stored:
        raise CheckpointError(f"{path} holds the weights of a motion network, not of the PIRenderer")
    return renderer_from_official(_tensors(stored.get(_RENDERER_PART, stored), path), RendererDimensions(), str(path))


def _tensors(stored: Any, path: Path) -> dict[str, Tensor]:
    """Return the tensors by name of a part of an official file.

    Raises:
        CheckpointError: it is not a table of tensors.
    """
    if not isinstance(stored, dict):
        raise CheckpointError(f"{path} contains {type(stored).__name__} where a dictionary of tensors is needed")
    return {str(name): value for name, value in stored.items() if isinstance(value, Tensor)}


def renderer_from_official(tensors: Mapping[str, Tensor], dimensions: RendererDimensions, source: str) -> PIRenderer:
    """Builds a renderer of given dimensions and loads official tensors.

    Raises:
        CheckpointError: a tensor is missing, unknown or misshapen.
    """
    renamed, ignored = {}, []
    for name, value in tensors.items():
        if _RENDERER_UNUSED.match(name):
            ignored.append(name)
            continue
        own = name
        for official, ours in _RENDERER_NAMES:
            own = re.sub(official, ours, own)
        renamed[own] = value
    logger.debug("%s: ignored %d tensors without effect: %s", source, len(ignored), ", ".join(ignored))
    renderer = PIRenderer(dimensions).eval()
    fill(renderer, renamed, source)
    return renderer


def _official_dimensions(tensors: Mapping[str, Tensor], source: str, heads: int, temperature: float) -> Dimensions:
    try:
        experts, feed_forward, width = tensors["upper.layers.0.linear1.weight"].shape
        return Dimensions(
            width=width,
            heads=heads,
            feed_forward=feed_forward,
            layers=1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("upper.layers.")),
            phone_embedding=tensors["content_encoder.embedding.weight"].shape[1],
            experts=experts,
            ratio=width // len(tensors["upper.layers.0.linear1.attention.0.weight"]),
            temperature=temperature,
            lower=BFM64_LOWER,
        )
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"{source} is not a StyleTalk checkpoint: {error} is missing or misshapen") from error


def read_pickle(path: Path) -> dict[str, Any]:
    """Reads a torch pickle that may contain only tensors and plain containers.

    Raises:
        CheckpointError: the file is missing, damaged, or contains anything else.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read as a weight file: {error.strerror}") from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        # PyTorch's message suggests loading the file unsafely.
        raise CheckpointError(
            f"{path} cannot be read as a weight file: it is damaged or contains more than tensors"
        ) from error
    if not isinstance(stored, dict):
        raise CheckpointError(f"{path} contains {type(stored).__name__} where a dictionary of tensors is needed")
    return stored


def fill(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copies tensors into a module, strictly.

    Raises:
        CheckpointError: a tensor is missing, unknown, misshapen or not finite; the message names it.
    """
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    weight_file.check_tensors({name: tuple(value.shape) for name, value in tensors.items()}, wanted, source)
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise CheckpointError(f"{source}: tensor {name} contains values that are not finite")
    module.load_state_dict(dict(tensors))
