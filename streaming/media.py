"""The units of time and the things that flow through a session.

Owns the tick (1/48000 s) and the integer rates derived from it. Pure: no I/O, no clock.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Tick = int
"""Time in 1/48000 s, counted from the first sample of the session's microphone clock."""

TICK_RATE: Final = 48_000
PACKET_TICKS: Final = 960  # 20 ms, one Opus packet
FRAME_TICKS: Final = 1_600  # one video frame at 30 fps
STEP_TICKS: Final = 800
"""Pictures begin at multiples of this, so that 30, 20, 15 and 10 a second are all evenly spaced."""
MODEL_SAMPLE_TICKS: Final = 3  # one sample at 16 kHz
HOP_TICKS: Final = 960  # one recognizer column, 20 ms

PHONES: Final = 41
"""Symbols in a phone column; the order is that of the core's phone table."""
SILENCE: Final = 31
"""Index of the silence symbol."""
CONTEXT: Final = 5
"""Frames of phone context on either side of the decoded frame."""
WINDOW: Final = 2 * CONTEXT + 1

if TICK_RATE % FRAME_TICKS or TICK_RATE % PACKET_TICKS or FRAME_TICKS % STEP_TICKS:
    raise AssertionError("frame and packet must divide one second, and the step a frame")


def to_ms(ticks: Tick) -> float:
    """Ticks in milliseconds, to a tenth."""
    return round(ticks * 1000 / TICK_RATE, 1)


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Sound: ``samples`` (n,) int16 mono 48 kHz, the first one at tick ``start``."""

    start: Tick
    epoch: int
    samples: NDArray[np.int16]

    @property
    def end(self) -> Tick:
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class MotionFrame:
    """What the face does in the frame that begins at ``tick``.

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
        """Number of the frame at 30 fps."""
        return self.tick // FRAME_TICKS


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """The picture of the frame that begins at ``tick``; ``yuv`` (H*3//2, W) uint8 yuv420p."""

    tick: Tick
    epoch: int
    yuv: NDArray[np.uint8]

    @property
    def index(self) -> int:
        """Number of the frame at 30 fps."""
        return self.tick // FRAME_TICKS
