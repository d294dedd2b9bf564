"""Dimensions of a recognizer network, as stored in its weight file. Pure constants."""

from dataclasses import dataclass
from typing import Final

from styletalk_core.recognizer.affine import OUTPUTS

STACK: Final = 2
"""Feature frames per step."""


@dataclass(frozen=True, slots=True)
class RecognizerConfig:
    """Dimensions of the network; stored in the checkpoint."""

    width: int = 256
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8, 1)
    delays: tuple[int, ...] = (2, 3, 4, 6)
    """Delays of the output heads, in 20 ms steps from the start of a column to its output."""

    def __post_init__(self) -> None:
        if self.width % OUTPUTS:
            raise ValueError(f"width {self.width} is not a multiple of {OUTPUTS}")
