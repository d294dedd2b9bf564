"""The recogniser's weight file: safetensors with the network's dimensions and the model card in its header.

Pure apart from reading and writing the file.
"""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from styletalk_core.errors import CheckpointError
from styletalk_core.recognizer.network import RecogniserConfig, RecogniserNetwork

PACKAGED: Final = Path(str(files("styletalk_core"))) / "weights" / "recogniser.safetensors"


def save_network(network: RecogniserNetwork, path: Path, card: dict[str, str]) -> None:
    """Writes the weights as float16 with the dimensions and ``card`` as metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, {"config": json.dumps(dataclasses.asdict(network.config))} | card)


def load_network(path: Path = PACKAGED) -> RecogniserNetwork:
    """Reads a network in float32, ready for inference.

    Raises:
        CheckpointError: the file is missing, damaged, or holds other tensors than its dimensions ask for.
    """
    try:
        with safe_open(path, "pt") as file:
            fields = json.loads(file.metadata()["config"])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        config = RecogniserConfig(int(fields["width"]), tuple(fields["dilations"]), tuple(fields["delays"]))
        network = RecogniserNetwork(config)
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no recogniser weight file ({error})") from error
    return network.eval().requires_grad_(False)
