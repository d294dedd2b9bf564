"""Which picture stands for a frame: its own, else one that is a little late, else the last one again.

Pure: the session says which frame is due.
"""

from typing import Final

from streaming.media import VideoImage
from streaming.queues import BoundedQueue, OnFull
from streaming.stats import SessionStats

LATEST: Final = 2
"""A picture that is this many frames late is still better than a face that stands still."""
PICTURES_AHEAD: Final = 4


class Screen:
    """Holds the finished pictures of one session; counts in ``stats``."""

    def __init__(self, stats: SessionStats) -> None:
        self.shown: VideoImage | None = None
        """The newest picture that was really shown."""
        self._stats = stats
        self._pictures: BoundedQueue[VideoImage] = BoundedQueue("pictures", PICTURES_AHEAD, OnFull.DROP_OLDEST)

    def put(self, picture: VideoImage) -> None:
        """Takes a finished picture."""
        self._pictures.offer(picture)

    def show(self, index: int, epoch: int, stride: int) -> VideoImage | None:
        """The picture for frame ``index``; None before there is any.

        Args:
            epoch: pictures of another one are stale.
            stride: frames from one picture to the next.
        """
        newest: VideoImage | None = None
        for picture in self._pictures.drain():
            if picture.index > index:
                self._pictures.offer(picture)
            elif picture.epoch == epoch and picture.index >= index - LATEST * stride:
                newest = picture
        if newest is not None:
            self.shown = newest
        if newest is not None and newest.index == index:
            self._stats.fresh += 1
            return newest
        self._stats.late += 1
        if self.shown is None:
            return None
        self._stats.repeated += newest is None
        return VideoImage(index, epoch, self.shown.yuv, repeated=newest is None)
