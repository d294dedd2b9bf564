"""Proves that a frame reaches the encoder unchanged, with its timestamp, and without a copy."""

from fractions import Fraction

import numpy as np
import pytest

from server.webrtc.tracks import video_frame
from streaming.media import RenderedFrame


@pytest.mark.parametrize("size", [256, 384, 512])
def test_a_frame_is_handed_over_without_a_copy(size: int) -> None:
    yuv = np.random.default_rng(size).integers(0, 256, (size * 3 // 2, size), np.uint8)
    frame = video_frame(RenderedFrame(48_000, 0, yuv))
    assert (frame.width, frame.height, frame.format.name) == (size, size, "yuv420p")
    assert frame.pts is not None and frame.pts * Fraction(1, 90_000) == 1 and frame.time_base == Fraction(1, 90_000)
    assert np.array_equal(frame.to_ndarray(), yuv)
    yuv[0, 0] ^= 255
    assert frame.to_ndarray()[0, 0] == yuv[0, 0]


def test_the_pixels_live_as_long_as_their_frame() -> None:
    frames = [video_frame(RenderedFrame(k, 0, np.full((96, 64), k, np.uint8))) for k in range(50)]
    assert all((frame.to_ndarray() == k).all() for k, frame in enumerate(frames))


def test_a_part_of_a_larger_frame_is_taken_as_it_is() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (96, 128), np.uint8)
    assert np.array_equal(video_frame(RenderedFrame(0, 0, wide[:, :64])).to_ndarray(), wide[:, :64])
