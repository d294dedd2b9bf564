"""Expressions of still portraits, for a face model of people who show few: `styletalk train face-model --portraits`.

The neutral face of a portrait is unknown, but blendshape scores mean the same in every face. A ridge regression from
scores to displacement learns from the frames of the clips, each against the mean of its clip, and from the portraits
against their mean. What it predicts for a portrait's scores is the portrait's expression; the rest is its face at rest.

Runs on: any thread; `read_stills` finds about twenty faces per second on one core.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.face.arkit import ARKIT
from styletalk_core.face.face_model import pose_terms
from styletalk_core.face.head_pose import Array, euler_angles, fit_head
from styletalk_core.face.landmarks import MESH_POINTS, MIRROR
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.rendering.portrait.image_file import load

_SHARE: Final = 0.2
"""Weight of a portrait against a frame of a clip: its displacement contains how its face differs from others."""
_RIDGE: Final = 0.3
"""Added to the summed square of every score."""
_NAMES: Final = ("neutral", *ARKIT[:-1])
UPPER_SCORES: Final = np.array([name.startswith(("brow", "eye")) for name in _NAMES])
"""(52,) scores that move the upper face alone. Too few people show them to tell apart what else their faces do."""
_FLIP: Final = np.array([-1, 1, 1], np.float32)


@dataclass(frozen=True, slots=True)
class Stills:
    """N faces of different people: `landmarks` (N, 478, 3) px and blendshape `scores` (N, 52)."""

    landmarks: Array
    scores: Array

    def canonical(self, mean: Array) -> tuple[Array, Array]:
        """Faces (N, 468, 3) without head pose, in the units of a mean face (478, 3), and their `pose_terms` (N, 6)."""
        motion = fit_head(self.landmarks, mean)
        turn = euler_angles(motion.rotation)
        return motion.remove(self.landmarks)[:, :MESH_POINTS], pose_terms(
            np.asarray(turn - np.median(turn, axis=0), np.float32)
        )


def read_stills(folders: Sequence[Path]) -> Stills | None:
    """Finds the largest face of every image ``*.jpg``; None without folders.

    Raises:
        InputError: an image cannot be read, or the folders contain no face.
    """
    if not folders:
        return None
    with FaceTracker() as tracker:
        images = (load(path) for folder in folders for path in sorted(folder.glob("*.jpg")))
        found = [face for image in images if (face := tracker.expression(image)) is not None]
    if not found:
        raise InputError(f"no face was found in the images of {', '.join(map(str, folders))}")
    landmarks, scores = (np.array(part) for part in zip(*found, strict=True))
    return Stills(landmarks, scores)


def expressions(
    stills: Stills, mean: Array, lower: Array, displacement: Array, scores: Array, rest: Array
) -> tuple[Array, Array]:
    """Return what the expressions of stills displace (N, 468, 3), and their faces at rest (N, 468, 3).

    Args:
        stills: the portraits.
        mean: (478, 3) mean neutral face.
        lower: (468,) share of the motion of every vertex that belongs to the lower face; brows and eyes move the rest.
        displacement: (T, 468, 3) of frames of clips, against the mean of each clip.
        scores: (T, 52) of these frames, against the mean of each clip.
        rest: (52,) scores of a face at rest.
    """
    faces, turned = stills.canonical(mean)
    seen = np.concatenate((stills.scores - stills.scores.mean(axis=0), turned - turned.mean(axis=0)), axis=1)
    apart = faces - faces.mean(axis=0)
    inputs = np.concatenate((np.pad(scores, ((0, 0), (0, turned.shape[1]))), _SHARE * seen, _SHARE * _mirrored(seen)))
    moved = np.concatenate((displacement, _SHARE * apart, _SHARE * (apart * _FLIP)[:, MIRROR[:MESH_POINTS]]))
    square = inputs.T @ inputs + _RIDGE * np.eye(inputs.shape[1], dtype=np.float32)
    map_ = np.linalg.solve(square, inputs.T @ moved.reshape(len(moved), -1)).reshape(-1, MESH_POINTS, 3)
    map_[: len(rest)][UPPER_SCORES] *= (1 - lower)[:, None]
    expression = np.einsum("ts,sni->tni", stills.scores - rest, map_[: len(rest)])
    leak = np.einsum("tp,pni->tni", turned, map_[len(rest) :])
    return expression.astype(np.float32), np.asarray(faces - leak - expression, np.float32)


def _mirrored(seen: Array) -> Array:
    """Scores and pose terms (N, 52 + 6) of the mirrored faces."""
    sides = {"Left": "Right", "Right": "Left"}
    swapped = [
        next((name.removesuffix(side) + other for side, other in sides.items() if name.endswith(side)), name)
        for name in _NAMES
    ]
    order = [_NAMES.index(name) for name in swapped]
    turned = seen[:, len(_NAMES) :] * np.array([1, -1, -1, 1, 1, -1], np.float32)
    return np.concatenate((seen[:, order], turned), axis=1)
