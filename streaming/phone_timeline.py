"""Phone columns on the video frame grid.

Pure. The recogniser speaks in hops of 20 ms; a frame takes the hop that lies under its centre, which does not depend
on how the sound was cut into packets. A frame that nobody has recognised yet is silence.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.media import CONTEXT, FRAME_TICKS, PHONES, SILENCE, Tick

SILENT_COLUMN = np.eye(PHONES, dtype=np.float32)[SILENCE]


class PhoneTimeline:
    """Remembers the columns of the last ``capacity`` frames."""

    def __init__(self, capacity: int = 128) -> None:
        self._capacity = capacity
        self._frame = np.full(capacity, -1, dtype=np.int64)
        self._columns = np.tile(SILENT_COLUMN, (capacity, 1))
        self._speech = np.zeros(capacity, dtype=np.bool_)
        self.known_until = 0
        """First frame that no hop has reached yet."""

    def put(self, begin: Tick, hop: Tick, column: NDArray[np.float32], speech: bool) -> None:
        """Places one recognised hop: ``column`` (41,) holds for ``hop`` ticks from ``begin`` on."""
        first = max(0, first_frame_from(begin))
        for index in range(first, first_frame_from(begin + hop)):
            place = index % self._capacity
            self._frame[place] = index
            self._columns[place] = column
            self._speech[place] = speech
            self.known_until = max(self.known_until, index + 1)

    def window(self, index: int) -> tuple[NDArray[np.float32], int]:
        """Columns around frame ``index``.

        Returns:
            ((11, 41) float32, how many of the columns after ``index`` are known).
        """
        frames = np.arange(index - CONTEXT, index + CONTEXT + 1)
        places = frames % self._capacity
        known = self._frame[places] == frames
        columns = np.where(known[:, None], self._columns[places], SILENT_COLUMN)
        return columns, int(np.clip(self.known_until - index - 1, 0, CONTEXT))

    def speech(self, index: int) -> bool:
        """True when somebody speaks in frame ``index``, as far as is known."""
        place = index % self._capacity
        return bool(self._frame[place] == index and self._speech[place])

    def silence_all(self) -> None:
        """Makes everything recognised so far silent; used when the speaker is interrupted."""
        self._columns[:] = SILENT_COLUMN
        self._speech[:] = False


def first_frame_from(tick: Tick) -> int:
    """Index of the first frame whose centre is at or after ``tick``."""
    return -((FRAME_TICKS // 2 - tick) // FRAME_TICKS)
