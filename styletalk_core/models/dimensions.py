"""Dimensions of a StyleTalk network, as stored in its weight file, and the coefficients of its two decoders.

Runs on: any thread; pure.
"""

from dataclasses import dataclass
from typing import Final

from styletalk_core.face.spaces import BFM64, MESH64, Space

OPENING: Final = 0
"""Index of the `mesh64` coefficient that opens the lips, 0 for closed; no other has a tenth of its effect."""
PRESSED: Final = 0.05
"""Compliance of closed lips to further closing."""
LIP_SIGNALS: Final = 6
"""Number of articulators of the lips, see `lip_range`."""
MESH64_LOWER: Final = tuple(range(13))
"""Lower-face coefficients of this project's face model."""
BFM64_LOWER: Final = (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14)
"""Lower-face coefficients of the official checkpoints, in the Basel model."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Dimensions of a StyleTalk network, stored in its checkpoint; defaults as in the paper."""

    width: int = 256
    heads: int = 8
    feed_forward: int = 1024
    layers: int = 3
    phone_embedding: int = 128
    experts: int = 8
    ratio: int = 4
    temperature: float = 30.0
    coefficients: int = 64
    style_frames: int = 256
    own_rest: bool = False
    statistics: bool = False
    calibrated: bool = False
    """Whether a style's code ends with gains of the lips, see `lip_range`; needs ``statistics``."""
    lower: tuple[int, ...] = MESH64_LOWER

    @property
    def space(self) -> Space:
        """Face model whose coefficients the network speaks, told by its lower-face coefficients."""
        return BFM64 if self.lower == BFM64_LOWER else MESH64

    @property
    def upper(self) -> tuple[int, ...]:
        """Number of upper-face coefficients, all except `lower`."""
        return tuple(index for index in range(self.coefficients) if index not in self.lower)

    @property
    def code_width(self) -> int:
        """Width C of a style code."""
        return self.width + 2 * self.coefficients * self.statistics + LIP_SIGNALS * self.calibrated
