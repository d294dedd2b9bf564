"""Decoder interface used by sessions, and selection of the fastest implementation for a device.

Arrays are NumPy arrays on every device; PyTorch is imported for a GPU only.
Runs on: any thread.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from styletalk_core.models.compiled.compiled_decoder import CompiledStyleTalk
from styletalk_core.models.weight_file import Weights

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


def make_decoder(weights: Weights, device: str = "cpu") -> StyleDecoder:
    """Prepares a network for a device, such as "cpu" or "cuda:0".

    Raises:
        InputError: on a CPU, a width of the network is not supported by any kernel.
    """
    if device.startswith("cuda"):
        from styletalk_core.models import checkpoint
        from styletalk_core.models.compiled.captured_decoder import CapturedStyleTalk

        return CapturedStyleTalk(checkpoint.model_of(weights).to(device))
    return CompiledStyleTalk(weights)
