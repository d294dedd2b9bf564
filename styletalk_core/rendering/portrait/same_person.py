"""Likeness of two photos of faces: by the shape of the face without its expression, and by brows, eyes and nose.

It separates most pairs of strangers from pairs of one person, and is no recognition of identity: see `MIN_LIKENESS`.
Runs on: any thread, at enrolment only; pure.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import COEFFICIENTS, FaceModel
from styletalk_core.face.head_pose import fit_head
from styletalk_core.face.landmarks import MESH_POINTS
from styletalk_core.rendering.arrays import Float, Image

FILE: Final = Path(str(files("styletalk_core") / "weights" / "mean_appearance.npy"))
"""Mean `appearance` of synthetic faces, made by `styletalk_core/lab/assets/mean_appearance.py`."""
MIN_LIKENESS: Final = 0.40
"""Likeness below which two photos count as of different people.

On 880 frontal video frames of 195 people, 4.5 % of pairs of one person in different clips (3.3 % within a clip) are
below it, and 11.6 % of pairs of different people are not.
"""
_SHAPE_SHARE: Final = 0.3
_FIXED: Final = (33, 133, 362, 263, 168, 6, 2, 98, 327)
"""Landmarks of the eyes and the nose by which a face is aligned."""
_SIDE, _UNIT, _EYES = 128, 64, (64, 44)
"""Aligned face: side, inter-ocular distance and middle of the eyes, px."""
_SEEN: Final = slice(8, 100, 4), slice(10, 118, 4)
_FINE, _COARSE, _FLAT = 1.5, 12.0, 4.0
"""Size of the finest detail and of the light that is removed, px; contrast of skin without detail, grey levels."""


def check_same_person(one: Image, one_landmarks: Float, other: Image, other_landmarks: Float) -> None:
    """Checks that two photos (H, W, 3) with landmarks (478, 3) px may show the same person.

    Raises:
        InputError: they show different people.
    """
    alike = likeness(one, one_landmarks, other, other_landmarks)
    if alike < MIN_LIKENESS:
        raise InputError(f"it seems to show somebody else (likeness {alike:.2f}, at least {MIN_LIKENESS} is needed)")


def likeness(one: Image, one_landmarks: Float, other: Image, other_landmarks: Float) -> float:
    """Return the likeness of two faces, up to 1.3; arguments as of `check_same_person`."""
    mean = mean_appearance()
    seen = [appearance(one, one_landmarks) - mean, appearance(other, other_landmarks) - mean]
    return _SHAPE_SHARE * _cosine(face_shape(one_landmarks), face_shape(other_landmarks)) + _cosine(*seen)


def face_shape(landmarks: Float) -> Float:
    """Return how a face (478, 3) px differs from the mean one, from the front and without its expression: (936,)."""
    model = FaceModel.load()
    face = fit_head(landmarks[None], model.mean).remove(landmarks[None])[0]
    apart = (face - model.mean)[:MESH_POINTS].reshape(-1)
    expressions = np.linalg.qr(model.directions[:, :MESH_POINTS].reshape(COEFFICIENTS, -1).T)[0]
    own = apart - expressions @ (expressions.T @ apart)
    return np.asarray(own.reshape(MESH_POINTS, 3)[:, :2].reshape(-1), np.float32)


def appearance(image: Image, landmarks: Float) -> Float:
    """Return detail from brows to nose of a face in an image (H, W, 3), without light and skin tone: (621,).

    Args:
        landmarks: (478, >=2) px.
    """
    mean = FaceModel.load().mean
    eyes = mean[[33, 263], :2].mean(axis=0)
    places = (mean[list(_FIXED), :2] - eyes) * _UNIT + np.array(_EYES, np.float32)
    points = landmarks[list(_FIXED), :2].astype(np.float32)
    aligning, _ = cv2.estimateAffinePartial2D(points, places.astype(np.float32), method=cv2.LMEDS)
    if aligning is None:
        raise InputError("its eyes and nose are not where a face has them")
    aligned = cv2.warpAffine(image, aligning, (_SIDE, _SIDE), flags=cv2.INTER_AREA)
    grey = cv2.GaussianBlur(cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), _FINE)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), _COARSE)
    contrast = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), _COARSE)) + _FLAT
    seen = (detail / contrast)[_SEEN].reshape(-1)
    seen -= seen.mean()
    return np.asarray(seen / max(float(np.linalg.norm(seen)), 1e-6), np.float32)


@cache
def mean_appearance() -> Float:
    """Return the mean `appearance` (621,) of many people."""
    return np.asarray(np.load(FILE), np.float32)


def _cosine(one: Float, other: Float) -> float:
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-6))
