"""Recognizer weight file: safetensors with the network's dimensions and the model card in its header.

Pure apart from reading the file. `network` writes it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from styletalk_core.errors import CheckpointError
from styletalk_core.phones import PHONES
from styletalk_core.recognizer.dimensions import STACK, RecognizerConfig
from styletalk_core.recognizer.features import MELS
from styletalk_core.weights import packaged_weights


@dataclass(frozen=True, slots=True)
class RecognizerWeights:
    """Dimensions and float32 tensors, named as in ``RecognizerNetwork.state_dict``."""

    config: RecognizerConfig
    tensors: dict[str, NDArray[np.float32]]


def load_weights(path: Path | None = None) -> RecognizerWeights:
    """Reads a weight file, by default the packaged one.

    Raises:
        CheckpointError: the file is missing or damaged, or its tensors do not match its dimensions.
    """
    path = path or packaged_weights("recognizer.safetensors")
    try:
        with safe_open(path, "np") as file:
            fields = json.loads(file.metadata()["config"])
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
        config = RecognizerConfig(int(fields["width"]), tuple(fields["dilations"]), tuple(fields["delays"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a recognizer weight file ({error})") from error
    expected = _shapes(config)
    if {name: tensor.shape for name, tensor in tensors.items()} != expected:
        wrong = sorted(name for name in expected if name not in tensors or tensors[name].shape != expected[name])
        surplus = sorted(tensors.keys() - expected.keys())
        raise CheckpointError(
            f"{path} is not a recognizer weight file (missing or of another shape: {wrong}, unknown: {surplus})"
        )
    return RecognizerWeights(config, tensors)


def _shapes(config: RecognizerConfig) -> dict[str, tuple[int, ...]]:
    width, outputs = config.width, len(config.delays) * len(PHONES)
    layers = {"stem": (width, STACK * MELS), "heads": (outputs, width)}
    norms = ["norm"]
    for block in range(len(config.dilations)):
        layers |= {f"blocks.{block}.taps": (width, 3 * width), f"blocks.{block}.out": (width, width)}
        norms.append(f"blocks.{block}.norm")
    shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": shape for name, shape in layers.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in layers.items()}
    return shapes | {f"{name}.{part}": (width,) for name in norms for part in ("weight", "bias")}
