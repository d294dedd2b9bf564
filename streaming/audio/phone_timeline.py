"""Phone columns on the grid on which pictures begin.

Pure. The recognizer speaks in hops of 20 ms; a frame takes the hop that lies under its centre, which does not depend
on how the sound was cut into packets. A frame that nobody has recognized yet is silence. Frames may begin at every
multiple of `STEP_TICKS`; the columns of a window are 1/30 s apart whatever the frame rate.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.units import CONTEXT, FRAME_TICKS, PHONES, SILENCE, STEP_TICKS, Tick

SILENT_COLUMN = np.eye(PHONES, dtype=np.float32)[SILENCE]
STEPS_PER_FRAME = FRAME_TICKS // STEP_TICKS
AROUND = np.arange(-CONTEXT, CONTEXT + 1) * STEPS_PER_FRAME


class PhoneTimeline:
    """Remembers the columns of the last ``capacity`` steps."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._step = np.full(capacity, -1, dtype=np.int64)
        self._columns = np.tile(SILENT_COLUMN, (capacity, 1))
        self._speech = np.zeros(capacity, dtype=np.bool_)
        self._known_until = 0

    def put(self, begin: Tick, hop: Tick, column: NDArray[np.float32], speech: bool) -> None:
        """Places one recognized hop: ``column`` (41,) holds for ``hop`` ticks from ``begin`` on."""
        first = max(0, _first_step_from(begin))
        for step in range(first, _first_step_from(begin + hop)):
            place = step % self._capacity
            self._step[place] = step
            self._columns[place] = column
            self._speech[place] = speech
            self._known_until = max(self._known_until, step + 1)

    def window(self, tick: Tick) -> tuple[NDArray[np.float32], int]:
        """Columns around the frame that begins at ``tick``.

        Returns:
            ((11, 41) float32, how many of the columns after the frame's own are known).
        """
        steps = tick // STEP_TICKS + AROUND
        places = steps % self._capacity
        known = self._step[places] == steps
        columns = np.where(known[:, None], self._columns[places], SILENT_COLUMN)
        ahead = (self._known_until - 1 - tick // STEP_TICKS) // STEPS_PER_FRAME
        return columns, int(np.clip(ahead, 0, CONTEXT))

    def speech(self, tick: Tick) -> bool:
        """True when somebody speaks in the frame that begins at ``tick``, as far as is known."""
        step = tick // STEP_TICKS
        place = step % self._capacity
        return bool(self._step[place] == step and self._speech[place])

    def silence_all(self) -> None:
        """Makes everything recognized so far silent; used when the speaker is interrupted."""
        self._columns[:] = SILENT_COLUMN
        self._speech[:] = False


def first_frame_from(tick: Tick) -> Tick:
    """Where the first frame begins, at a multiple of `STEP_TICKS`, whose centre is not before ``tick``."""
    return _first_step_from(tick) * STEP_TICKS


def _first_step_from(tick: Tick) -> int:
    return -((FRAME_TICKS // 2 - tick) // STEP_TICKS)
