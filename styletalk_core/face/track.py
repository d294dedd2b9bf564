"""Face track of a clip: smoothed landmarks that keep closed lips closed, head pose and gaze, at any frame rate.

Pure apart from `save` and `load`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.signal import savgol_filter

from styletalk_core.errors import InputError
from styletalk_core.face.head_pose import Array, clip_shape, eye_distance, fit_head
from styletalk_core.face.landmarks import (
    EYE_LEFT,
    EYE_RIGHT,
    INNER_LIP_LOWER,
    INNER_LIP_UPPER,
    IRIS_LEFT,
    IRIS_RIGHT,
    LIPS,
)
from styletalk_core.phones import FPS

_EYEBALL: Final = 0.133
"""Radius of the eyeball in inter-ocular distances."""
_MISFIT: Final = 0.05
"""Rigid-fit residual at which the confidence is 1/e, in inter-ocular distances."""
_SMOOTHING: Final = 5
"""Frames in the smoothing window."""
_CLOSURE: Final = 0.02
"""Lip opening by smoothing above which the raw frame is used instead, in inter-ocular distances."""


@dataclass(frozen=True, slots=True)
class Track:
    """Tracked face of one person over a clip; T frames.

    `landmarks` (T, 478, 3) px, NaN where no face was found; `blendshapes` (T, 52) MediaPipe scores; `pose` (T, 6) and
    `gaze` (T, 2) relative to the clip's median (see `head_pose`); `confidence` (T,) 0 where no face was found, up to 1;
    `times` (T,) seconds; `fps`; `size` (width, height) px; `faces` number of faces at the start of the clip.
    """

    landmarks: Array
    blendshapes: Array
    pose: Array
    gaze: Array
    confidence: Array
    times: NDArray[np.float64]
    fps: float
    size: tuple[int, int]
    faces: int

    @property
    def tracked(self) -> NDArray[np.bool_]:
        """(T,) True where a face was found."""
        return self.confidence > 0

    def resampled(self, fps: float = FPS) -> "Track":
        """Resamples the track at an even rate, without overshoot, so that closed lips stay closed.

        Gaps of more than two frames without a face stay gaps.
        """
        times = np.arange(int(np.floor(self.times[-1] * fps + 1e-6)) + 1) / fps
        if np.allclose(self.times, np.arange(len(self.times)) / fps, atol=0.1 / fps):
            return replace(self, times=np.arange(len(self.times)) / fps, fps=fps)
        known = np.flatnonzero(self.tracked)
        after = np.searchsorted(self.times[known], times - 1e-9)
        inside = (after < len(known)) & (times >= self.times[known[0]] - 1e-9) if len(known) else times < 0
        if inside.any():
            before = known[np.clip(after - 1, 0, None)]
            inside &= self.times[known[np.clip(after, None, len(known) - 1)]] - self.times[before] < 3.5 / self.fps

        def at(values: Array) -> Array:
            result = np.full((len(times), *values.shape[1:]), np.nan, np.float32)
            if len(known) > 1 and inside.any():
                result[inside] = PchipInterpolator(self.times[known], values[known], axis=0)(times[inside])
            return result

        confidence = np.nan_to_num(at(self.confidence))
        return replace(
            self,
            landmarks=at(self.landmarks),
            blendshapes=at(self.blendshapes),
            pose=at(self.pose),
            gaze=at(self.gaze),
            confidence=confidence,
            times=times,
            fps=fps,
        )

    def part(self, start: int, stop: int) -> "Track":
        """Return frames ``start`` up to ``stop`` as a separate clip."""
        frames = slice(start, stop)
        return replace(
            self,
            landmarks=self.landmarks[frames],
            blendshapes=self.blendshapes[frames],
            pose=self.pose[frames],
            gaze=self.gaze[frames],
            confidence=self.confidence[frames],
            times=self.times[frames] - self.times[start],
        )

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file atomically."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in self.__slots__})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Track":
        """Reads a file written by `save`."""
        with np.load(path) as file:
            values: dict[str, Any] = {name: file[name] for name in cls.__slots__}
        width, height = values["size"]
        return cls(
            **values | {"fps": float(values["fps"]), "size": (int(width), int(height)), "faces": int(values["faces"])}
        )


def make_track(
    landmarks: Array, blendshapes: Array, times: NDArray[np.float64], size: tuple[int, int], faces: int
) -> Track:
    """Smooths raw landmarks (T, 478, 3) px and derives pose, gaze and confidence from them.

    Raises:
        InputError: no frame contains a face.
    """
    if not np.isfinite(landmarks).all(axis=(1, 2)).any():
        raise InputError("no face was found in the clip")
    landmarks = smooth(landmarks)
    motion = fit_head(landmarks, clip_shape(landmarks))
    confidence = np.nan_to_num(np.exp(-((motion.misfit / _MISFIT) ** 2)))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / FPS
    return Track(
        landmarks=landmarks,
        blendshapes=blendshapes,
        pose=motion.poses(),
        gaze=_gaze(motion.remove(landmarks)),
        confidence=confidence.astype(np.float32),
        times=times,
        fps=round(1 / step, 3),
        size=size,
        faces=faces,
    )


def smooth(landmarks: Array) -> Array:
    """Removes jitter from landmarks (T, 478, 3) without lag; lips that close in the raw track stay closed.

    A Savitzky-Golay filter runs over every stretch with a face; the lips follow the raw frame where the filter would
    open them.
    """
    result = landmarks.copy()
    tracked = np.isfinite(landmarks).all(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], tracked.astype(np.int8), [0]))))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < _SMOOTHING:
            continue
        raw = landmarks[start:stop]
        calm = savgol_filter(raw, _SMOOTHING, 2, axis=0)
        closing = np.clip((lip_gap(calm) - lip_gap(raw)) / (_CLOSURE * np.median(eye_distance(raw))), 0, 1)
        calm[:, list(LIPS)] += closing[:, None, None] * (raw - calm)[:, list(LIPS)]
        result[start:stop] = calm
    return result


def lip_gap(landmarks: Array) -> Array:
    """Return the inner-lip distance in the unit of the landmarks, (..., 478, 3) to (...,)."""
    gap = np.linalg.norm(landmarks[..., INNER_LIP_UPPER, :] - landmarks[..., INNER_LIP_LOWER, :], axis=-1)
    return np.asarray(gap, np.float32)


def _gaze(canonical: Array) -> Array:
    """Return mean eye yaw and pitch (T, 2) relative to the clip's median, of canonical landmarks (T, 478, 3)."""
    angles = []
    for contour, iris in ((EYE_LEFT, IRIS_LEFT[0]), (EYE_RIGHT, IRIS_RIGHT[0])):
        middle = (canonical[:, contour[0]] + canonical[:, contour[8]]) / 2
        angles.append(np.arcsin(np.clip((canonical[:, iris] - middle)[:, :2] / _EYEBALL, -0.9, 0.9)))
    gaze = np.mean(angles, axis=0)
    return np.asarray(gaze - np.nanmedian(gaze, axis=0), np.float32)
