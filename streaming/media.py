"""Data types of a session: audio chunks, motion, rendered frames. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.units import FRAME_TICKS, TICK_RATE, Tick


def to_ms(ticks: Tick) -> float:
    """Converts ticks to milliseconds, rounded to 0.1 ms."""
    return round(ticks * 1000 / TICK_RATE, 1)


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Audio: ``samples`` (n,) int16 mono 48 kHz, the first one at tick ``start``."""

    start: Tick
    epoch: int
    samples: NDArray[np.int16]

    @property
    def end(self) -> Tick:
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class TimedPhone:
    """Phone ``phone``, 0..40, from tick ``start`` to tick ``end``."""

    start: Tick
    end: Tick
    phone: int

    def later(self, ticks: Tick) -> "TimedPhone":
        """The same phone, ``ticks`` later."""
        return TimedPhone(self.start + ticks, self.end + ticks, self.phone)


@dataclass(frozen=True, slots=True)
class MotionFrame:
    """Face motion of the frame that starts at ``tick``.

    ``expression`` (64,) float32; ``pose`` (6,) float32: pitch, yaw, roll in rad, tx, ty, tz in inter-ocular
    distances; ``gaze`` (2,) float32: eye yaw, pitch in rad; ``blink`` 0 open .. 1 closed.
    """

    tick: Tick
    epoch: int
    expression: NDArray[np.float32]
    pose: NDArray[np.float32]
    gaze: NDArray[np.float32]
    blink: float

    @property
    def index(self) -> int:
        """Frame number at 30 fps."""
        return self.tick // FRAME_TICKS


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """Rendered frame that starts at ``tick``; ``yuv`` (H*3//2, W) uint8 yuv420p."""

    tick: Tick
    epoch: int
    yuv: NDArray[np.uint8]

    @property
    def index(self) -> int:
        """Frame number at 30 fps."""
        return self.tick // FRAME_TICKS
