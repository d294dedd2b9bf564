"""Proves that frames of every size are fitted to the fixed size of a recording."""

import numpy as np

from server.sessions.recording import person, resized


def test_smaller_frames_become_as_large_as_the_recording() -> None:
    image = np.full((96, 64), 128, np.uint8)
    image[:64, 32:] = 200
    assert resized(image, 64) is image
    large = resized(image, 128)
    assert large.shape == (192, 128)
    assert abs(int(large[64, 8]) - 128) <= 1 and abs(int(large[64, 120]) - 200) <= 1


def test_of_a_transparent_frame_the_person_is_kept_whatever_its_size() -> None:
    for size in (64, 32):
        assert person(np.zeros((3 * size, size), np.uint8)).shape == (size * 3 // 2, size)
