"""Phone timeline: recognized phone columns on the grid of frame start times.

Pure. The recognizer outputs hops of 20 ms; a frame takes the hop under its centre, independent of how the audio was
split into packets. Frames not recognized yet are silence. Frames may start at any multiple of `STEP_TICKS`; the columns
of a window are 1/30 s apart at any frame rate.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.units import CONTEXT, FRAME_TICKS, PHONES, SILENCE, STEP_TICKS, Tick

SILENT_COLUMN = np.eye(PHONES, dtype=np.float32)[SILENCE]
STEPS_PER_FRAME = FRAME_TICKS // STEP_TICKS
AROUND = np.arange(-CONTEXT, CONTEXT + 1) * STEPS_PER_FRAME


class PhoneTimeline:
    """Ring buffer of the columns of the last ``capacity`` steps."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._step = np.full(capacity, -1, dtype=np.int64)
        self._columns = np.tile(SILENT_COLUMN, (capacity, 1))
        self._speech = np.zeros(capacity, dtype=np.bool_)
        self._known_until = 0

    def put(self, begin: Tick, hop: Tick, column: NDArray[np.float32], speech: bool) -> None:
        """Stores one recognized hop: ``column`` (41,) is valid for ``hop`` ticks from ``begin`` on."""
        first = max(0, _first_step_from(begin))
        for step in range(first, _first_step_from(begin + hop)):
            place = step % self._capacity
            self._step[place] = step
            self._columns[place] = column
            self._speech[place] = speech
            self._known_until = max(self._known_until, step + 1)

    def window(self, tick: Tick) -> tuple[NDArray[np.float32], int]:
        """Return the columns around the frame that starts at ``tick``.

        Returns:
            ((11, 41) float32, number of known columns after the frame's own).
        """
        steps = tick // STEP_TICKS + AROUND
        places = steps % self._capacity
        known = self._step[places] == steps
        columns = np.where(known[:, None], self._columns[places], SILENT_COLUMN)
        ahead = (self._known_until - 1 - tick // STEP_TICKS) // STEPS_PER_FRAME
        return columns, int(np.clip(ahead, 0, CONTEXT))

    def speech(self, tick: Tick) -> bool:
        """True if speech was detected in the frame that starts at ``tick``; False if not recognized yet."""
        step = tick // STEP_TICKS
        place = step % self._capacity
        return bool(self._step[place] == step and self._speech[place])

    def silence_all(self) -> None:
        """Replaces all columns by silence; used on interruption."""
        self._columns[:] = SILENT_COLUMN
        self._speech[:] = False


def first_frame_from(tick: Tick) -> Tick:
    """Return the start of the first frame on the grid of `STEP_TICKS` whose centre is not before ``tick``."""
    return _first_step_from(tick) * STEP_TICKS


def _first_step_from(tick: Tick) -> int:
    return -((FRAME_TICKS // 2 - tick) // STEP_TICKS)
