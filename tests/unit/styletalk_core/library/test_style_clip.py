"""A clip becomes a style, or is rejected with one sentence."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from face_videos import SIDE, flag_rotation, noise_frames, talking_frames, write_video

from styletalk_core.errors import InputError
from styletalk_core.library import style_clip
from styletalk_core.library.style_clip import style_from_video
from styletalk_core.library.styles import StyleLibrary


def test_clip_of_a_presenter_speaks_as_the_preset_that_moved_it(tmp_path: Path) -> None:
    made = style_from_video(write_video(tmp_path / "talk.mp4", talking_frames()), "copy")
    truth = StyleLibrary(Path("none")).get("surprised").coefficients[: len(talking_frames())]
    assert made.notes == ()
    assert made.style.source == "talk.mp4"
    assert made.style.frames_used == len(truth)
    assert made.style.tracked_share == 1
    assert np.corrcoef(made.style.coefficients[:, 0], truth[:, 0])[0, 1] > 0.7
    assert 0.3 < made.style.motion_energy < 1.5


def test_turned_clip_of_variable_rate_is_used(tmp_path: Path) -> None:
    frames = [np.rot90(frame) for frame in talking_frames()]
    times = np.cumsum(np.random.default_rng(0).choice([0.02, 0.033, 0.06], len(frames)))
    video = write_video(tmp_path / "phone.mp4", frames, list(times - times[0]))
    flag_rotation(video)
    style = style_from_video(video, "phone").style
    assert style.tracked_share > 0.95
    assert style.frames_used == pytest.approx(30 * (times[-1] - times[0]), abs=3)


def test_two_faces_are_mentioned(tmp_path: Path) -> None:
    frames = []
    for frame in talking_frames():
        wide = np.zeros((SIDE, 2 * SIDE, 3), np.uint8)
        wide[:, SIDE:], wide[60:188, 60:188] = frame, frame[::2, ::2]
        frames.append(wide)
    notes = style_from_video(write_video(tmp_path / "pair.mp4", frames), "pair").notes
    assert notes == ("pair.mp4 shows 2 faces; the largest was used",)


def test_of_a_long_clip_the_middle_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_clip, "USED_SECONDS", 2.2)
    frames = [*noise_frames(30), *talking_frames(), *noise_frames(30)]
    made = style_from_video(write_video(tmp_path / "long.mp4", frames), "long")
    assert made.style.tracked_share > 0.9
    assert made.notes[0] == "of 5 s the middle 2 s were used"


def short(path: Path) -> Path:
    return write_video(path, talking_frames()[:45])


def faceless(path: Path) -> Path:
    return write_video(path, noise_frames(75))


def seldom(path: Path) -> Path:
    return write_video(path, [*talking_frames()[:20], *noise_frames(70)])


def corrupt(path: Path) -> Path:
    write_video(path, talking_frames()[:30])
    path.write_bytes(path.read_bytes()[:4000])
    return path


def holed(path: Path) -> Path:
    content = bytearray(write_video(path, talking_frames()).read_bytes())
    start = len(content) // 3
    content[start : start + 3000] = bytes(3000)
    path.write_bytes(content)
    return path


def picture(path: Path) -> Path:
    cv2.imwrite(str(path.with_suffix(".png")), talking_frames()[0])
    return path.with_suffix(".png").rename(path)


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        (short, "lasts 1.5 s; at least 2 s are needed"),
        (faceless, "no face was found"),
        (seldom, "in only"),
        (corrupt, "not a readable video"),
        (holed, "is damaged: 0.. s of it can be read"),
        (picture, "is an image; a video of a person talking is needed"),
    ],
)
def test_unusable_clips_are_refused(tmp_path: Path, clip: Callable[[Path], Path], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        style_from_video(clip(tmp_path / "clip.mp4"), "bad")


def test_size_and_length_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "clip.mp4", noise_frames(90))
    monkeypatch.setattr(style_clip, "MAX_CLIP_SECONDS", 2.5)
    with pytest.raises(InputError, match="at most 2 s are allowed"):
        style_from_video(video, "long")
    monkeypatch.setattr(style_clip, "MAX_CLIP_MEGABYTES", 0)
    with pytest.raises(InputError, match="at most 0 MB"):
        style_from_video(video, "large")
