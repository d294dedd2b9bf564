"""Faces are detected where they are, tracked, and not detected where there are none."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from face_videos import SIDE, noise_frames, talking_frames, write_video

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import eye_distance
from styletalk_core.face.track import lip_gap
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import StyleLibrary


@pytest.fixture(scope="module")
def tracker() -> Iterator[FaceTracker]:
    with FaceTracker() as tracker:
        yield tracker


def test_landmarks_of_an_image_are_on_the_face(tracker: FaceTracker) -> None:
    portrait = AvatarLibrary(Path("none")).get("clara")
    found = tracker.track_image(portrait.image)
    error = np.linalg.norm((found - portrait.landmarks)[:, :2], axis=1).mean()
    assert error < 0.03 * eye_distance(portrait.landmarks)


def test_image_without_a_face_is_refused(tracker: FaceTracker) -> None:
    with pytest.raises(InputError, match="no face"):
        tracker.track_image(noise_frames(1)[0])


def test_small_face_in_a_large_image_is_found(tracker: FaceTracker) -> None:
    image = np.full((720, 1280, 3), 90, np.uint8)
    image[400:520, 900:1020] = cv2.resize(talking_frames()[0], (120, 120), interpolation=cv2.INTER_AREA)
    middle = tracker.track_image(image)[:, :2].mean(axis=0)
    assert (np.array([900, 400]) < middle).all()
    assert (middle < np.array([1020, 520])).all()


def test_tracked_mouth_moves_as_the_shown_mouth(tracker: FaceTracker, tmp_path: Path) -> None:
    video = write_video(tmp_path / "talk.mp4", talking_frames())
    shares: list[float] = []
    track = tracker.track_video(video, progress=shares.append)
    shown = FaceModel.load().offsets(StyleLibrary(Path("none")).get("surprised").coefficients[: len(talking_frames())])
    opening = shown[:, 14, 1] - shown[:, 13, 1]
    assert track.tracked.all()
    assert np.corrcoef(lip_gap(track.landmarks), opening[: len(track.times)])[0, 1] > 0.8
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


def test_largest_of_two_faces_is_followed(tracker: FaceTracker, tmp_path: Path) -> None:
    large = talking_frames()[:20]
    small = [cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA) for frame in large]
    frames = [np.zeros((SIDE, 400, 3), np.uint8) for _ in large]
    for frame, left, right in zip(frames, small, large, strict=True):
        frame[60:188, :128], frame[:, 144:] = left, right
    track = tracker.track_video(write_video(tmp_path / "two.mp4", frames))
    assert track.faces == 2
    assert (track.landmarks[:, :, 0].mean(axis=1) > 144).all()


def test_frames_without_a_face_are_not_invented(tracker: FaceTracker, tmp_path: Path) -> None:
    frames = [*talking_frames()[:15], *noise_frames(15), *talking_frames()[:15]]
    track = tracker.track_video(write_video(tmp_path / "lost.mp4", frames), fps=None)
    assert track.tracked[:15].all()
    assert not track.tracked[16:29].any()
    assert track.tracked[-3:].all()


def test_video_without_a_face_is_refused(tracker: FaceTracker, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"noise\.mp4: no face"):
        tracker.track_video(write_video(tmp_path / "noise.mp4", noise_frames(10)))


def test_named_model_must_be_readable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STYLETALK_LANDMARKER", str(tmp_path / "none.task"))
    with pytest.raises(InputError, match=r"none\.task cannot be read"):
        FaceTracker()


def test_packaged_model_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("styletalk_core.face.tracker.MODEL_SHA256", "0" * 64)
    with pytest.raises(InputError, match="sha256"):
        FaceTracker()
