"""Decoder interface used by sessions, and selection of the fastest implementation for a device.

Arrays are NumPy arrays on every device; PyTorch is imported for a GPU only.
Runs on: any thread.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from styletalk_core.models import weight_file
from styletalk_core.models.compiled.compiled_decoder import CompiledStyleTalk

Float = NDArray[np.float32]


class StyleDecoder(Protocol):
    """Encodes style clips and decodes phones with a style code; the state type is implementation-specific."""

    def encode_style(self, clip: Float) -> Float:
        """Encodes a style clip (L, 64) of at least a second into its code (C,)."""

    def mix_style(self, code: Float) -> Any:
        """Derives the state of style codes (B, C)."""

    def join(self, states: Sequence[Any]) -> Any:
        """Joins states into the state of their batch."""

    def decode(self, phones: NDArray[Any], state: Any) -> Float:
        """Decodes one phone window per style: (B, 11) or (B, 11, 41) -> (B, 64)."""


def load_decoder(path: Path, device: str = "cpu") -> StyleDecoder:
    """Reads an own weight file for a device, such as "cpu" or "cuda:0".

    Raises:
        CheckpointError: as `weight_file.read`.
        InputError: on a CPU, a width of the network is not supported by any kernel.
    """
    if device.startswith("cuda"):
        from styletalk_core.models import checkpoint
        from styletalk_core.models.captured_decoder import CapturedStyleTalk

        return CapturedStyleTalk(checkpoint.load(path, device).model)
    return CompiledStyleTalk(weight_file.read(path))
