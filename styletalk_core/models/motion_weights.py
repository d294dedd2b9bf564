"""Weights of a motion network from a file: this project's safetensors or the checkpoint published by the authors.

The two are told apart by content. PyTorch is imported for the authors' file only.

Runs on: any thread; reads files.
"""

from pathlib import Path
from typing import Final

from styletalk_core.errors import CheckpointError, InputError
from styletalk_core.models import weight_file
from styletalk_core.models.weight_file import Weights

_PICKLES: Final = (b"PK\x03\x04", b"\x80")
"""First bytes of files written by `torch.save`, of today's format and of the one before."""
_HEADER_AT: Final = 8
"""A safetensors file begins with the length of its header, which is a JSON object."""


def read_motion_weights(path: Path) -> Weights:
    """Reads the weights of a motion network, of either kind.

    Raises:
        InputError: the file cannot be read, is damaged, or holds something else; the message names it.
    """
    try:
        return _read(path)
    except CheckpointError as error:
        raise InputError(str(error)) from error


def _read(path: Path) -> Weights:
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_AT + 1)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read as a weight file: {error.strerror}") from error
    if start[_HEADER_AT:] == b"{":
        return weight_file.read(path)
    if start.startswith(_PICKLES):
        from styletalk_core.models import checkpoint

        return checkpoint.weights_of(checkpoint.load_official(path))
    raise CheckpointError(f"{path} is neither a weight file of this project nor a checkpoint of PyTorch")
