"""Proves which picture is shown for a frame, and how that is counted."""

import numpy as np

from streaming.media import VideoImage
from streaming.screen import Screen
from streaming.stats import SessionStats


def picture(index: int, epoch: int = 0) -> VideoImage:
    return VideoImage(index, epoch, np.full((3, 2), index, np.uint8))


def test_a_frame_shows_its_own_picture_else_a_little_late_one_else_the_last_again() -> None:
    stats = SessionStats()
    screen = Screen(stats)
    assert screen.show(0, 0, 1) is None
    screen.put(picture(1))
    screen.put(picture(2))
    own = screen.show(1, 0, 1)
    assert own is not None and own.index == 1 and not own.repeated
    ahead = screen.show(2, 0, 1)
    assert ahead is not None and ahead.yuv[0, 0] == 2
    screen.put(picture(3))
    late = screen.show(4, 0, 1)
    assert late is not None and (late.index, late.yuv[0, 0], late.repeated) == (4, 3, False)
    again = screen.show(5, 0, 1)
    assert again is not None and (again.index, again.yuv[0, 0], again.repeated) == (5, 3, True)
    assert (stats.fresh, stats.late, stats.repeated) == (2, 3, 1)


def test_pictures_that_are_too_late_or_of_an_interrupted_epoch_are_thrown_away() -> None:
    screen = Screen(SessionStats())
    screen.put(picture(1))
    assert screen.show(4, 0, 1) is None
    screen.put(picture(5, epoch=0))
    assert screen.show(5, 1, 1) is None
    assert screen.shown is None


def test_at_half_rate_lateness_is_counted_in_pictures() -> None:
    screen = Screen(SessionStats())
    screen.put(picture(2))
    late = screen.show(6, 0, 2)
    assert late is not None and late.yuv[0, 0] == 2
