"""Video frames are upright and have their true times; other files are rejected with one sentence."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from face_videos import flag_rotation, noise_frames, write_video

from styletalk_core.errors import InputError
from styletalk_core.video import probe_video, read_frames


def test_times_are_those_of_a_variable_frame_rate(tmp_path: Path) -> None:
    times = np.cumsum([0.01, 0.02, 0.05, 0.033, 0.1, 0.017] * 3) - 0.01
    video = write_video(tmp_path / "vfr.mp4", noise_frames(len(times)), list(times))
    assert [frame.time for frame in read_frames(video)] == pytest.approx(list(times), abs=2e-3)


def test_header_tells_length_and_frames(tmp_path: Path) -> None:
    info = probe_video(write_video(tmp_path / "clip.mp4", noise_frames(45)))
    assert info.seconds == pytest.approx(1.5, abs=0.05)
    assert info.frames == 45


def test_rotation_flag_is_obeyed(tmp_path: Path) -> None:
    """An image with a white top and a rotation tag of a quarter clockwise is white on the right."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:20] = 255
    video = write_video(tmp_path / "turned.mp4", [image] * 5)
    flag_rotation(video)
    shown = next(read_frames(video)).image
    assert shown.shape == (96, 64, 3)
    assert shown[:, -16:].mean() > 240 > 20 > shown[:, :40].mean()


def test_damaged_tail_ends_the_video(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mkv", noise_frames(60))
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    assert 5 < len(list(read_frames(video))) < 60


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_an_image_is_reported_as_an_image(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    cv2.imwrite(str(path), noise_frames(1)[0])
    with pytest.raises(InputError, match="is an image"):
        probe_video(path)


def test_files_that_are_no_video_are_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"no video" * 1000)
    with pytest.raises(InputError, match="not a readable video"):
        list(read_frames(junk))
    with pytest.raises(InputError, match="does not exist"):
        list(read_frames(tmp_path / "missing.mp4"))
