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
    made = style_from_video(write_video(tmp_path / "talk.mp4", talking_frames(130, nod=0.05)), "copy")
    truth = StyleLibrary(Path("none")).get("surprised").coefficients[:130]
    assert made.notes == () and len(truth) > 100
    assert made.style.pose[:, 0].std() == pytest.approx(0.05 / np.sqrt(2), rel=0.5), "the mesh is flat"
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
    assert "pair.mp4 shows 2 faces; the largest was used" in notes


def test_of_a_long_clip_the_middle_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_clip, "USED_SECONDS", 2.2)
    frames = [*noise_frames(30), *talking_frames(), *noise_frames(30)]
    made = style_from_video(write_video(tmp_path / "long.mp4", frames), "long")
    assert made.style.tracked_share > 0.9
    assert "of 5 s the middle 2 s were used" in made.notes


def test_a_short_clip_without_head_motion_is_used_and_its_owner_told(tmp_path: Path) -> None:
    made = style_from_video(write_video(tmp_path / "still.mp4", talking_frames()), "still")
    assert made.style.frames_used == 75 and made.style.motion_energy > 0.3
    assert [note.split(":")[0] for note in made.notes] == [
        "the head does not move in it; the head motion of a neutral conversation is used",
        "only 2.5 s were used",
    ]


def test_an_eye_that_is_kept_shut_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_clip, "shut_eye", lambda coefficients, model: 0)
    made = style_from_video(write_video(tmp_path / "wink.mp4", talking_frames()), "wink")
    assert "the person's right eye is closed in it" in made.notes[0]


def test_frames_of_a_head_turned_away_are_left_out() -> None:
    yaw = np.where(np.arange(100) < 70, 0.1, -0.7).astype(np.float32)
    frames, notes = style_clip._frontal_frames(np.arange(100) >= 5, yaw)
    assert np.flatnonzero(frames).tolist() == list(range(5, 70))
    assert notes == ["32% of the frames were left out: the head is turned by more than 30 degrees"]


def test_a_clip_of_a_head_turned_throughout_is_used_all_the_same() -> None:
    valid = np.ones(100, np.bool_)
    frames, notes = style_clip._frontal_frames(valid, np.full(100, 0.7, np.float32))
    assert frames.all() and notes == ["the head is turned by 40 degrees; a clip from the front gives a truer style"]


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
