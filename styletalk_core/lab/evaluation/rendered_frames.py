"""Metrics on rendered frames: the clip's first frame, driven by a given motion with the clip's own pose and gaze.

SSIM and CPBD as in `fidelity`. F-LMD and M-LMD are the mean distances, in px at 256 x 256, of the 68 iBUG landmarks and
of their 20 mouth points, tracked in the rendered frame. Identity similarity is the correlation of the brightness of the
two faces, aligned at eyes and nose; no face recognition network is needed or shipped.

Runs on: any thread; about 25 ms per frame.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.landmarks import EYE_OUTER_CORNERS, IBUG, IBUG_MOUTH, LANDMARKS, NOSE_TIP
from styletalk_core.face.track import make_track
from styletalk_core.face.tracker import BLENDSHAPES, FaceTracker
from styletalk_core.lab.evaluation.articulators import of_track
from styletalk_core.lab.evaluation.clip import SelfDrivenClip
from styletalk_core.lab.evaluation.fidelity import SIZE, cpbd, ssim
from styletalk_core.lab.evaluation.reenactment import motion_of_landmarks, portrait_of_frame
from styletalk_core.phones import FPS
from styletalk_core.rendering.mesh_renderer import MeshRenderer

Float = NDArray[np.float32]
Image = NDArray[np.uint8]

_ALIGNED: Final = 64
"""Side of the aligned faces, px."""
_PLACES: Final = np.array([[14, 22], [50, 22], [32, 42]], np.float32)
"""Positions of the outer eye corners and the nose tip in an aligned face, px."""


@dataclass(frozen=True, slots=True)
class FrameFigures:
    """Means over the frames of a clip."""

    f_lmd: float
    m_lmd: float
    ssim: float
    cpbd: float
    identity_similarity: float


class Reenactment:
    """Renders the first frame of a clip with given motion and compares the result with the clip."""

    def __init__(self, clip: SelfDrivenClip, tracker: FaceTracker, model: FaceModel) -> None:
        self._clip = clip
        self._tracker = tracker
        self._model = model
        self._renderer = MeshRenderer(portrait_of_frame(clip.frames[0], clip.landmarks[0]), SIZE)
        self._driven = motion_of_landmarks(self._renderer, clip.landmarks)
        self._real = [_aligned(*seen) for seen in zip(clip.frames, clip.landmarks, strict=True)]

    def render(self, motion: Float, index: int) -> Image:
        """Renders frame number ``index`` of the clip with the expression that ``motion`` (T, 64) has at its moment."""
        expression = motion[self._clip.moments[index]]
        return self._render(expression, self._driven.pose[index], self._driven.gaze[index], 0.0)

    def tracked(self, expression: Float, pose: Float, gaze: Float, blink: Float) -> Float | None:
        """Renders every frame of a motion (T, 64), (T, 6), (T, 2), (T,) and tracks the face in it again.

        Returns:
            The articulators (T, 11), or None if too few frames show a face.
        """
        images = (self._render(*parts) for parts in zip(expression, pose, gaze, blink, strict=True))
        return tracked_again(images, self._tracker, self._renderer.resting_face)

    def _render(self, expression: Float, pose: Float, gaze: Float, blink: float) -> Image:
        held = self._clip.motion.coefficients[self._clip.moments[0]]
        wanted, there = self._model.offsets(np.stack([expression, held]))
        # The portrait already holds the expression of the first frame: only the way from there is to go.
        return self._renderer.render_offsets(wanted - there - self._renderer.resting_offsets, pose, gaze, blink)

    def judge(self, motion: Float) -> FrameFigures:
        """Renders ``motion`` (T, 64) at the times of the clip's images and compares."""
        likeness, sharpness, distances, identities = [], [], [], []
        for index, (real, points) in enumerate(zip(self._clip.frames, self._clip.landmarks, strict=True)):
            image = self.render(motion, index)
            likeness.append(ssim(image, real))
            sharpness.append(cpbd(image))
            with suppress(InputError):
                found = self._tracker.track_image(image)
                distance = np.linalg.norm((found - points)[:, :2], axis=1)
                distances.append((distance[list(IBUG)].mean(), distance[list(IBUG_MOUTH)].mean()))
                identities.append(_correlation(_aligned(image, found), self._real[index]))
        face, mouth = np.mean(distances, axis=0) if distances else (np.nan, np.nan)
        return FrameFigures(
            f_lmd=float(face),
            m_lmd=float(mouth),
            ssim=float(np.mean(likeness)),
            cpbd=float(np.mean(sharpness)),
            identity_similarity=float(np.mean(identities)) if identities else float("nan"),
        )


def tracked_again(images: Iterable[Image], tracker: FaceTracker, shape: Float) -> Float | None:
    """Tracks rendered frames (SIZE, SIZE, 3) at 30 fps.

    Returns:
        The articulators (T, 11) of a face of canonical ``shape`` (478, 3), or None if too few frames show one.
    """
    found = []
    for image in images:
        try:
            found.append(tracker.track_image(image))
        except InputError:
            found.append(np.full((LANDMARKS, 3), np.nan, np.float32))
    landmarks = np.stack(found)
    if not np.isfinite(landmarks).any():
        return None
    scores, times = np.zeros((len(landmarks), BLENDSHAPES), np.float32), np.arange(len(landmarks)) / FPS
    return of_track(make_track(landmarks, scores, times, (SIZE, SIZE), 1), shape)


def _aligned(image: Image, landmarks: Float) -> Float:
    """Brightness (64, 64) of a face with its eye corners and nose tip at fixed positions."""
    found = landmarks[[*EYE_OUTER_CORNERS, NOSE_TIP], :2].astype(np.float32)
    placed = cv2.warpAffine(image, cv2.getAffineTransform(found, _PLACES), (_ALIGNED, _ALIGNED))
    return np.asarray(cv2.cvtColor(placed, cv2.COLOR_RGB2GRAY), np.float32)


def _correlation(one: Float, other: Float) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
