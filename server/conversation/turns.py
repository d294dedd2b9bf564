"""Turns of a person, as events. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The person has begun to speak."""


@dataclass(frozen=True, slots=True)
class TurnAudio:
    """Audio of the turn, (n,) int16 mono 48 kHz, n a multiple of 6."""

    samples: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The person has finished."""


TurnEvent = TurnStarted | TurnAudio | TurnEnded
