"""Window of motion around the frame that the paper's renderer draws: 13 frames on either side, at 30 fps.

As in the official code, frames beyond the ends of what is known repeat the nearest known one. Of the 13 future frames a
stream may wait for any number; the rest of the future is unknown. If frames are drawn at a lower rate, the motion
between them is interpolated, since the network was trained at 30 fps.

Runs on: any thread; pure.
"""

from collections import deque
from typing import Final

import numpy as np

from styletalk_core.models.pirenderer import RADIUS
from styletalk_core.rendering.arrays import Float

FRAME_TICKS: Final = 1600
"""Ticks of 1/48000 s per frame at 30 fps, as in `streaming.units`."""


class MotionWindow:
    """Sliding window over the motion of one session."""

    def __init__(self, future_frames: int = 0) -> None:
        """The frame drawn is ``future_frames`` before the newest motion, 0 to 13."""
        self._behind = future_frames * FRAME_TICKS
        self._motions: deque[Float] = deque()
        self._ticks: deque[int] = deque()

    def push(self, motion: Float, tick: int | None = None) -> Float:
        """Adds the motion (73,) at ``tick``, by default a frame after the last; returns the window (73, 27)."""
        if tick is None:
            tick = self._ticks[-1] + FRAME_TICKS if self._ticks else 0
        if self._ticks and tick <= self._ticks[-1]:
            self._motions.clear()
            self._ticks.clear()
        self._motions.append(motion)
        self._ticks.append(tick)
        wanted = tick - self._behind + FRAME_TICKS * np.arange(-RADIUS, RADIUS + 1)
        while len(self._ticks) > 1 and self._ticks[1] <= wanted[0]:
            self._ticks.popleft()
            self._motions.popleft()
        return self._at(np.clip(wanted, self._ticks[0], tick))

    def _at(self, wanted: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Float:
        """Return the motion (73, n) at ticks (n,) within the known ones, exact at these."""
        ticks, motions = np.array(self._ticks), np.stack(self._motions)
        after = np.searchsorted(ticks, wanted)
        before = np.maximum(after - 1, 0)
        step = np.maximum(ticks[after] - ticks[before], 1)
        share = ((ticks[after] - wanted) / step).astype(np.float32)[:, None]
        window = motions[after] + share * (motions[before] - motions[after])
        return np.ascontiguousarray(window.T, np.float32)
