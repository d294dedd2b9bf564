"""Head and upper-face motion of styles, prepared for `streaming.frames.style_player`, blended and scaled.

Runs on: any thread; a style takes some milliseconds the first time, and is cached.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face.eyelids import lid_gaps, without_blinks
from styletalk_core.face.face_model import LOWER, LOWER_LIPS, UPPER_LIPS, FaceModel
from styletalk_core.face.head_pose import about_neck
from styletalk_core.face.landmarks import BROW_LEFT, BROW_RIGHT
from styletalk_core.face.spaces import MESH64, Space
from styletalk_core.library.styles import NEUTRAL, POSE, Style, StyleLibrary
from styletalk_core.models.dimensions import OPENING

Float = NDArray[np.float32]

LIVELY_HEAD: Final = 0.05
"""Deviation of the head's rotation, rad, from which a style borrows nothing from a neutral conversation."""
STILL_HEAD: Final = 0.012
"""Deviation of the head's rotation, rad, that expressions alone make the tracker see."""
_CACHED: Final = 64
_MIN_PART_FRAMES: Final = 12
"""Length of the longest part from which a motion can be played."""
_SPEECH_LAGS: Final = (0, 4, 8, 12)
_SPEECH_SPREAD: Final = 1.25
_ENVELOPE_FRAMES: Final = 7
_NOD_FRAMES: Final = 15
"""Frames within which a nod is done: slower pitch is posture."""
_NOD: Final = 0.012
"""Deviation of such quick pitch in a neutral conversation, rad."""
_MAX_BROW_GAIN: Final = 1.2
_NODDING: Final = (0.6, 2.0)
_WEIGHTS: Final = {"pose": 1.0, "speed": 0.7, "upper": 1.0, "speech": 0.9}
"""Weights of the parts of a key."""


@dataclass(frozen=True, slots=True, eq=False)
class MotionDatabase:
    """Implements `streaming.engine.MotionDatabase`."""

    motion: Float
    left: NDArray[np.int32]
    key: Float
    key_scale: Float

    @classmethod
    def of(cls, motion: Float, left: NDArray[np.int32], speech: Float) -> "MotionDatabase":
        """Prepares a motion (L, D), a pose first, of which ``left`` (L,) frames follow each, with speech (L, 4)."""
        pose, upper = motion[:, :POSE], motion[:, POSE:]
        speed = np.where(left[:, None] > 0, np.diff(pose, axis=0, append=pose[-1:]), 0)
        parts = {"pose": pose, "speed": speed, "upper": upper, "speech": speech}
        scales = [
            np.full(part.shape[1], _WEIGHTS[name] / (np.sqrt(part.var(axis=0).sum()) + 1e-4))
            for name, part in parts.items()
            if name != "speech"
        ]
        scale = np.concatenate([*scales, np.full(speech.shape[1], _WEIGHTS["speech"] / np.sqrt(speech.shape[1]))])
        key = np.concatenate(list(parts.values()), axis=1) * scale
        return cls(motion, left, key.astype(np.float32), scale.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class StyleMotion:
    """Implements `streaming.engine.StyleMotion`."""

    clips: tuple[MotionDatabase, ...]
    shares: tuple[float, ...]
    gain: float
    posture: Float
    nodding: float
    base: MotionDatabase
    borrowing: float
    opening: int | None = OPENING


@dataclass(frozen=True, slots=True, eq=False)
class _Manner:
    """Motion of one style."""

    clip: MotionDatabase
    posture: Float
    nodding: float
    borrowing: float


class StyleMotions:
    """Motions of a library's styles by name, for decoders that speak a space.

    Only for `mesh64` the upper face is the clip's own: the authors' network gives all 64 coefficients of the face.
    """

    def __init__(self, styles: StyleLibrary, model: FaceModel, space: Space = MESH64) -> None:
        self._styles, self._model, self._space = styles, model, space
        self._manners: dict[bytes, _Manner] = {}
        self._base = pose_database(styles.get(styles.default()).within(MESH64), model)

    def blend(self, style: str | Mapping[str, float], intensity: float) -> StyleMotion:
        """Return the motion of a style or a blend at an intensity: 0 is neutral, 1 the style as recorded.

        Raises:
            InputError: there is no such style.
        """
        shares = {style: 1.0} if isinstance(style, str) else dict(style)
        within = min(intensity, 1.0)
        weights = {name: share * within for name, share in shares.items()}
        weights[NEUTRAL] = weights.get(NEUTRAL, 0.0) + 1 - within
        manners = {name: self._of(name) for name, weight in weights.items() if weight > 0}
        total = sum(weights[name] for name in manners)
        parts = [(weights[name] / total, manner) for name, manner in manners.items()]
        return StyleMotion(
            clips=tuple(manner.clip for _, manner in parts),
            shares=tuple(share for share, _ in parts),
            gain=max(1.0, intensity),
            posture=np.sum([share * manner.posture for share, manner in parts], axis=0) * np.float32(max(1, intensity)),
            nodding=sum(share * manner.nodding for share, manner in parts),
            base=self._base,
            borrowing=sum(share * manner.borrowing for share, manner in parts),
            opening=OPENING if self._space == MESH64 else None,
        )

    def prepare(self) -> None:
        """Prepares every style of the library, so that switching to it is instant; unreadable ones are skipped."""
        for name in self._styles.names():
            with suppress(InputError):
                self._of(name)

    def of_style(self, style: Style) -> StyleMotion:
        """Return the motion of a style that need not be in the library."""
        manner = self._manner(style)
        return StyleMotion((manner.clip,), (1.0,), 1.0, manner.posture, manner.nodding, self._base, manner.borrowing)

    def _of(self, name: str) -> _Manner:
        return self._manner(self._styles.get(name))

    def _manner(self, style: Style) -> _Manner:
        motion = style.coefficients.tobytes() + style.pose.tobytes()
        manner = self._manners.get(motion)
        if manner is None:
            if len(self._manners) >= _CACHED:
                self._manners.clear()
            manner = manner_of(style.within(MESH64), self._model)
            if self._space != MESH64:
                manner = _of_head_alone(manner)
            self._manners[motion] = manner
        return manner


def pose_database(style: Style, model: FaceModel) -> MotionDatabase:
    """Return the head motion (L, 6) of a style's clip."""
    pose = about_neck(style.pose)
    return MotionDatabase.of(pose - pose.mean(axis=0), frames_left(style), mouth_energy(style, model))


def head_range(style: Style) -> float:
    """Return the deviation of the head's rotation in a style's clip, rad."""
    return float(np.sqrt(style.pose[:, :3].var(axis=0).sum()))


def frames_left(style: Style) -> NDArray[np.int32]:
    """Return how many frames (L,) follow each frame before its part of the clip ends."""
    ends = np.append(style.starts[1:], style.frames_used)
    frames = np.arange(style.frames_used)
    return np.asarray(ends[np.searchsorted(ends, frames, side="right")] - 1 - frames, np.int32)


def mouth_energy(style: Style, model: FaceModel) -> Float:
    """Return how lively the mouth moves (L, 4), now and up to 0.4 s before, in deviations from its mean.

    Many clips are silent, so the mouth stands for the energy of the speech.
    """
    directions = model.directions[:, LOWER_LIPS, 1] - model.directions[:, UPPER_LIPS, 1]
    opening = style.coefficients @ directions.mean(axis=1)
    window = np.ones(_ENVELOPE_FRAMES) / _ENVELOPE_FRAMES
    energy = np.convolve(np.abs(np.gradient(opening)) + 0.3 * np.abs(opening - opening.min()), window, mode="same")
    away = energy - energy.mean()
    away = np.clip(away / (_SPEECH_SPREAD * np.abs(away).mean() + 1e-6), -2, 2)
    return np.stack([np.roll(away, lag) for lag in _SPEECH_LAGS], axis=1).astype(np.float32)


def manner_of(style: Style, model: FaceModel) -> _Manner:
    """Return how head and upper face move in a style's clip."""
    upper = without_blinks(style.coefficients, model)[:, LOWER:]
    pose, head, left = about_neck(style.pose), head_range(style), frames_left(style)
    decoded = style.coefficients[:, LOWER:].mean(axis=0)  # with the blinks, as the decoder has learnt it
    moved = upper.mean(axis=0) - decoded + _with_brow_range(upper - upper.mean(axis=0), style, model)
    motion = np.concatenate([pose - pose.mean(axis=0), moved], axis=1).astype(np.float32)
    if head < STILL_HEAD:
        motion[:, :POSE] = 0
    if left.max() < _MIN_PART_FRAMES:  # the tracker lost the face all the time
        motion[:], head, left = 0, 0.0, np.arange(len(left))[::-1].astype(np.int32)
    return _Manner(
        clip=MotionDatabase.of(motion, left, mouth_energy(style, model)),
        posture=style.posture,
        nodding=float(np.clip(_quick_pitch(style) / _NOD, *_NODDING)),
        borrowing=float(np.clip(1 - head / LIVELY_HEAD, 0, 1)),
    )


def _of_head_alone(manner: _Manner) -> _Manner:
    """Return how the head moves, with a still upper face."""
    motion = manner.clip.motion.copy()
    motion[:, POSE:] = 0
    return replace(manner, clip=replace(manner.clip, motion=motion))


def _with_brow_range(upper: Float, style: Style, model: FaceModel) -> Float:
    """Return the motion (L, 51) with the range that the brows have lost with the blinks; the lids move as before."""
    height = model.directions[LOWER:, [*BROW_LEFT, *BROW_RIGHT], 1].mean(axis=1)
    true, left = (float((part @ height).std()) for part in (style.coefficients[:, LOWER:], upper))
    more = np.clip(true / (left + 1e-6), 1, _MAX_BROW_GAIN) - 1
    lids = lid_gaps(model.directions)[LOWER:]
    without_lids = upper - upper @ lids @ np.linalg.pinv(lids)
    return np.asarray(upper + more * without_lids, np.float32)


def _quick_pitch(style: Style) -> float:
    """Return the deviation of the head's pitch, rad, from its own running mean."""
    parts = np.split(style.pose[:, 0], style.starts[1:])
    window = np.ones(_NOD_FRAMES)
    quick = [
        part - np.convolve(part, window, "same") / np.convolve(np.ones(len(part)), window, "same") for part in parts
    ]
    return float(np.concatenate(quick).std())
