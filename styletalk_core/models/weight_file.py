"""Reader of StyleTalk weight files without PyTorch: tensors by name, dimensions and model card.

`read_motion_weights` reads the checkpoint published by the authors as well; only for that PyTorch is imported.

Runs on: any thread; reads files. float16 storage is allowed; in memory everything is float32.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from styletalk_core.errors import CheckpointError, InputError
from styletalk_core.models.dimensions import LIP_SIGNALS, Dimensions
from styletalk_core.phones import PHONES

FORMAT: Final = "styletalk-live/1"

_PICKLES: Final = (b"PK\x03\x04", b"\x80")
"""First bytes of files written by `torch.save`, of today's format and of the one before."""
_HEADER_AT: Final = 8
"""A safetensors file begins with the length of its header, which is a JSON object."""

Tensors = Mapping[str, NDArray[np.float32]]
"""Weights by name, as in `StyleTalk.state_dict`."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights and metadata of a network."""

    dimensions: Dimensions
    tensors: Tensors
    card: Mapping[str, Any]


def read(path: Path) -> Weights:
    """Reads a weight file.

    Raises:
        CheckpointError: the file is not a StyleTalk weight file, is damaged, or a tensor is missing, unknown, of the
            wrong shape or not finite; the message names it.
    """
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            tensors = {name: np.asarray(file.get_tensor(name), np.float32) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} has format {header.get('format')!r} where {FORMAT!r} is needed")
    try:
        stored = json.loads(header["dimensions"])
        dimensions = Dimensions(**{**stored, "lower": tuple(stored["lower"])})
        card = json.loads(header["card"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has a damaged header: {error}") from error
    check_tensors({name: value.shape for name, value in tensors.items()}, tensor_shapes(dimensions), str(path))
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise CheckpointError(f"{path}: tensor {name} contains values that are not finite")
    return Weights(dimensions, tensors, card)


def read_motion_weights(path: Path) -> Weights:
    """Reads weights of this project or the authors' checkpoint, told apart by content.

    Raises:
        InputError: the file cannot be read, is damaged, or holds something else; the message names it.
    """
    try:
        return _read_either(path)
    except CheckpointError as error:
        raise InputError(str(error)) from error


def _read_either(path: Path) -> Weights:
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_AT + 1)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read as a weight file: {error.strerror}") from error
    if start[_HEADER_AT:] == b"{":
        return read(path)
    if start.startswith(_PICKLES):
        from styletalk_core.models import checkpoint

        return checkpoint.weights_of(checkpoint.load_official(path))
    raise CheckpointError(f"{path} is neither a weight file of this project nor a checkpoint of PyTorch")


Shape = tuple[int, ...]


def check_tensors(found: Mapping[str, Shape], wanted: Mapping[str, Shape], source: str) -> None:
    """Checks tensor shapes against the network's.

    Raises:
        CheckpointError: a tensor is missing, unknown or misshapen; the message names it.
    """
    for name, shape in wanted.items():
        if name not in found:
            raise CheckpointError(f"{source}: tensor {name} {shape} is missing")
        if found[name] != shape:
            raise CheckpointError(f"{source}: tensor {name} has shape {found[name]} where {shape} is needed")
    unknown = next((name for name in found if name not in wanted), None)
    if unknown is not None:
        raise CheckpointError(f"{source}: tensor {unknown} belongs to no part of the network")


def tensor_shapes(d: Dimensions) -> dict[str, Shape]:
    """Return the tensor shapes of a network of these dimensions."""
    shapes: dict[str, Shape] = {"content_encoder.embedding.weight": (len(PHONES), d.phone_embedding)}
    _add_linear(shapes, "content_encoder.project", d.width, d.phone_embedding)
    _add_linear(shapes, "style_encoder.project", d.width, d.coefficients)
    _add_linear(shapes, "style_encoder.pooling.0", d.width, d.width)
    _add_linear(shapes, "style_encoder.pooling.2", 1, d.width)
    if d.statistics:
        _add_linear(shapes, "style_encoder.statistics", d.width, 2 * d.coefficients)
    for layer in range(d.layers):
        for encoder in ("content_encoder", "style_encoder"):
            name = f"{encoder}.layers.{layer}"
            _add_block(shapes, name, d, ("self_attn",))
            _add_linear(shapes, f"{name}.linear1", d.feed_forward, d.width)
    for part, outputs in (("upper", len(d.upper)), ("lower", len(d.lower))):
        _add_part(shapes, part, outputs, d)
    if d.calibrated:
        lips = (len(d.lower), LIP_SIGNALS)
        shapes |= {"lip_spread": (len(d.lower), len(d.lower)), "lip_articulators": lips, "lip_back": lips}
    return shapes


def _add_part(shapes: dict[str, Shape], part: str, outputs: int, d: Dimensions) -> None:
    for layer in range(d.layers):
        name = f"{part}.layers.{layer}"
        _add_block(shapes, name, d, ("self_attn", "multihead_attn"))
        shapes[f"{name}.linear1.weight"] = (d.experts, d.feed_forward, d.width)
        shapes[f"{name}.linear1.bias"] = (d.experts, d.feed_forward)
        shapes[f"{name}.linear1.attention.0.weight"] = (d.width // d.ratio, d.width)
        shapes[f"{name}.linear1.attention.2.weight"] = (d.experts, d.width // d.ratio)
    if d.own_rest:
        _add_linear(shapes, f"{part}.rest", outputs, d.width)
    _add_norm(shapes, f"{part}.norm", d.width)
    half = d.width // 2
    for index, (rows, columns) in enumerate(((half, d.width), (half, half), (outputs, half))):
        _add_linear(shapes, f"{part}.tail.{2 * index}", rows, columns)


def _add_block(shapes: dict[str, Shape], name: str, d: Dimensions, attentions: tuple[str, ...]) -> None:
    """Adds the shapes shared by encoder and decoder layers: attentions, second feed-forward layer, norms."""
    for attention in attentions:
        shapes[f"{name}.{attention}.in_proj_weight"] = (3 * d.width, d.width)
        shapes[f"{name}.{attention}.in_proj_bias"] = (3 * d.width,)
        _add_linear(shapes, f"{name}.{attention}.out_proj", d.width, d.width)
    _add_linear(shapes, f"{name}.linear2", d.width, d.feed_forward)
    for index in range(len(attentions) + 1):
        _add_norm(shapes, f"{name}.norm{index + 1}", d.width)


def _add_linear(shapes: dict[str, Shape], name: str, outputs: int, inputs: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outputs, inputs), (outputs,)


def _add_norm(shapes: dict[str, Shape], name: str, width: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (width,), (width,)
