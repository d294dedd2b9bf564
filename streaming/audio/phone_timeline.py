"""Phone timeline: phone columns on the grid of frame start times, recognized or told by the voice that speaks.

Pure. The recognizer outputs hops of 20 ms; a frame takes the hop under its centre, independent of how the audio was
split into packets. A phone that was told replaces what is recognized; whether there is speech is always recognized.
Frames not known yet are silence. Frames may start at any multiple of `STEP_TICKS`; the columns of a window are 1/30 s
apart at any frame rate.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.media import TimedPhone
from streaming.units import CONTEXT, FRAME_TICKS, PHONES, SILENCE, STEP_TICKS, Tick

COLUMNS = np.eye(PHONES, dtype=np.float32)
SILENT_COLUMN = COLUMNS[SILENCE]
STEPS_PER_FRAME = FRAME_TICKS // STEP_TICKS
AROUND = np.arange(-CONTEXT, CONTEXT + 1) * STEPS_PER_FRAME


class PhoneTimeline:
    """Ring buffer of the columns of the last ``capacity`` steps."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._step = np.full(capacity, -1, dtype=np.int64)
        self._columns = np.tile(SILENT_COLUMN, (capacity, 1))
        self._speech = np.zeros(capacity, dtype=np.bool_)
        self._told = np.zeros(capacity, dtype=np.bool_)
        self._known_until = 0

    def put(self, begin: Tick, hop: Tick, column: NDArray[np.float32], speech: bool) -> None:
        """Stores one recognized hop: ``column`` (41,) is valid for ``hop`` ticks from ``begin`` on."""
        for step in _steps(begin, begin + hop):
            place = self._place(step)
            if not self._told[place]:
                self._columns[place] = column
            self._speech[place] = speech

    def tell(self, phone: TimedPhone) -> None:
        """Stores a phone that is known, in place of what is recognized before or after."""
        for step in _steps(phone.start, phone.end):
            place = self._place(step)
            self._columns[place] = COLUMNS[phone.phone]
            self._told[place] = True

    def _place(self, step: int) -> int:
        """Index of a step in the arrays, cleared of the step that it held before."""
        place = step % self._capacity
        if self._step[place] != step:
            self._step[place] = step
            self._columns[place] = SILENT_COLUMN
            self._speech[place] = self._told[place] = False
        self._known_until = max(self._known_until, step + 1)
        return place

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
        self._speech[:] = self._told[:] = False


def first_frame_from(tick: Tick) -> Tick:
    """Return the start of the first frame on the grid of `STEP_TICKS` whose centre is not before ``tick``."""
    return _first_step_from(tick) * STEP_TICKS


def _steps(begin: Tick, end: Tick) -> range:
    """Steps of the frames whose centres lie in ``begin`` to ``end``."""
    return range(max(0, _first_step_from(begin)), _first_step_from(end))


def _first_step_from(tick: Tick) -> int:
    return -((FRAME_TICKS // 2 - tick) // STEP_TICKS)
