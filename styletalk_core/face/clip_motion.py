"""Conversion of a track to coefficients: the person's neutral face and its motion at 30 fps.

Runs on: any thread; pure apart from `save` and `load`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from styletalk_core.face.face_model import LOWER, LOWER_LIPS, UPPER_LIPS, FaceModel
from styletalk_core.face.head_pose import Array, clip_shape, euler_angles, eye_distance, fit_head
from styletalk_core.face.landmarks import LIPS, MESH_POINTS
from styletalk_core.face.track import Track, lip_gap
from styletalk_core.phones import FPS

_POOL: Final = 600
"""Maximum number of frames used to estimate a person's face."""
_CALM_SHARE: Final = 1 / 6
_MIN_CALM_FRAMES: Final = 5
_MAX_BIAS: Final = 0.02
"""Largest lip gap tracked on a closed mouth, in inter-ocular distances; more is an open mouth."""
_CLOSED_PERCENTILE: Final = 3
_HELD: Final = 0.85
"""Fraction applied of the expression read from the scores, since scores also differ between people at rest."""
_BLINKS: Final = slice(9, 11)
"""Indices of MediaPipe's scores eyeBlinkLeft and eyeBlinkRight."""
_EVEN: Final = 1e-3
"""Regularisation that distributes lip closure over the coefficients."""


@dataclass(frozen=True, slots=True)
class PersonFace:
    """One person's canonical face: `shape` (478, 3) is the rigid reference, `neutral` (468, 3) the face at rest.

    `scores` (52,) are the blendshape scores of the frames closest to rest.
    """

    shape: Array
    neutral: Array
    scores: Array


@dataclass(frozen=True, slots=True)
class ClipMotion:
    """Face motion of a clip; T frames at 30 fps.

    `coefficients` (T, 64) float32; `pose` (T, 6) and `gaze` (T, 2) relative to the clip's median; `valid` (T,) whether
    a face was detected, other fields are 0 where not; `gap` (T,) tracked inner-lip gap in inter-ocular distances.
    """

    coefficients: Array
    pose: Array
    gaze: Array
    valid: NDArray[np.bool_]
    gap: Array

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file atomically."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in self.__slots__}, fps=FPS)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "ClipMotion":
        """Reads a file written by `save`."""
        with np.load(path) as file:
            values: dict[str, Any] = {name: file[name] for name in cls.__slots__}
        return cls(**values)


def person_face(
    tracks: Sequence[Track], model: FaceModel, neutral: bool = False, shape: Array | None = None
) -> PersonFace:
    """Estimates a person's face at rest from clips of that person.

    The face is averaged over the calmest frames with the smallest lip gap; the expression indicated by the blendshape
    scores is removed; then the lips are closed.

    Args:
        tracks: clips with at least one tracked frame in total.
        model: face model.
        neutral: whether the person is known to show no expression in these clips.
        shape: the person's `head_pose.clip_shape`, if already known.
    """
    landmarks, scores = pool_tracks(tracks)
    shape = _in_orientation(clip_shape(landmarks) if shape is None else shape, model.mean)
    canonical = fit_head(landmarks, shape).remove(landmarks)
    calm = calm_frames(canonical, scores)
    face, seen = np.median(canonical[calm], axis=0), np.median(scores[calm], axis=0)
    if not neutral:
        held = np.asarray(_HELD * (seen - model.rest_scores) @ model.from_scores, np.float32)
        face = face - model.offsets(held[None])[0]
    closed = np.minimum(np.percentile(inner_gaps(canonical), _CLOSED_PERCENTILE, axis=0), _MAX_BIAS)
    rest = close_lips(face, closed.astype(np.float32), model)[:MESH_POINTS]
    return PersonFace(shape, rest, seen.astype(np.float32))


def encode_track(track: Track, face: PersonFace, model: FaceModel) -> ClipMotion:
    """Computes the coefficients of a clip at 30 fps from its track."""
    track = track.resampled(FPS)
    motion = fit_head(track.landmarks, face.shape)
    canonical, valid = motion.remove(track.landmarks), track.tracked
    turn = euler_angles(motion.rotation)
    usual = np.asarray(np.nanmedian(turn, axis=0), np.float32)
    # The neutral was captured in the person's usual pose; only rotation away from it leaks into the face.
    coefficients = model.encode(canonical, face.neutral, turn - usual)
    parts = (coefficients, track.pose, track.gaze, lip_gap(canonical))
    coefficients, pose, gaze, gap = (np.nan_to_num(part).astype(np.float32) for part in parts)
    return ClipMotion(coefficients, pose, gaze, valid, gap)


def head_turn(track: Track, face: PersonFace) -> Array:
    """Return pitch, yaw, roll (T, 3) of a track at 30 fps against the person's frontal face; NaN without a face."""
    return euler_angles(fit_head(track.resampled(FPS).landmarks, face.shape).rotation)


def calm_frames(canonical: Array, scores: Array) -> NDArray[np.int64]:
    """Return the indices of the frames of (T, 478, 3) closest to rest: lips together and still, eyes open."""
    stillness = np.abs(np.gradient(canonical[:, list(LIPS)], axis=0)).mean(axis=(1, 2)) if len(canonical) > 1 else [0.0]
    unrest = rankdata(lip_gap(canonical)) + rankdata(stillness) / 2 + rankdata(scores[:, _BLINKS].mean(axis=1)) / 2
    return np.argsort(unrest)[: max(_MIN_CALM_FRAMES, int(len(canonical) * _CALM_SHARE))]


def inner_gaps(faces: Array) -> Array:
    """Return the vertical distances of the inner lips (..., 9) of canonical faces (..., >=468, 3)."""
    return faces[..., LOWER_LIPS, 1] - faces[..., UPPER_LIPS, 1]


def close_lips(face: Array, gaps: Array, model: FaceModel) -> Array:
    """Closes the lips of a canonical face (>=468, 3) by the smallest expression that does so.

    Args:
        face: face with lips apart or together.
        gaps: (9,) remaining gaps between the lips, in inter-ocular distances.
        model: face model that provides the lower-face directions.
    """
    excess = inner_gaps(face) - gaps
    opening = inner_gaps(model.directions[:LOWER])
    wanted = np.linalg.solve(opening @ opening.T + _EVEN * np.eye(LOWER), opening @ excess)
    return np.asarray(face - np.einsum("k,kni->ni", wanted, model.directions[:LOWER, : len(face)]), np.float32)


def pool_tracks(tracks: Sequence[Track]) -> tuple[Array, Array]:
    """Return landmarks and scores of the tracked frames of several clips, rescaled to one size."""
    landmarks = [track.landmarks[track.tracked] for track in tracks if track.tracked.any()]
    landmarks = [part / np.median(eye_distance(part)) for part in landmarks]
    scores = np.concatenate([track.blendshapes[track.tracked] for track in tracks])
    pooled = np.concatenate(landmarks)
    step = max(1, len(pooled) // _POOL)
    return pooled[::step], scores[::step]


def _in_orientation(shape: Array, mean: Array) -> Array:
    """Rotates a (478, 3) shape to the orientation of the mean face, keeping its size."""
    turned = fit_head(shape[None], mean).remove(shape[None])[0]
    turned = turned - turned[:MESH_POINTS].mean(axis=0)
    return np.asarray(turned / eye_distance(turned), np.float32)
