"""Drives a portrait with tracked landmarks instead of coefficients: the renderer's output for ground-truth motion.

Used to evaluate the renderer on real video and to train its mouth retouching network.
Runs on: any thread; pure.
"""

from dataclasses import dataclass

import numpy as np

from styletalk_core.face.eyelids import lid_gaps
from styletalk_core.face.head_pose import NEARER_PER_SCALE, euler_angles, fit_head
from styletalk_core.face.landmarks import EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT, MESH_POINTS
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import face_triangles
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.portrait.person_mask import person_mask
from styletalk_core.rendering.portrait.portrait import Portrait

_EYEBALL = 0.133  # radius, inter-ocular distances
_BLINKS_FROM = 0.75  # of the portrait's lid gap


@dataclass(frozen=True, slots=True)
class DrivenMotion:
    """Inputs of `MeshRenderer.render_offsets` for T frames."""

    offsets: Float  # (T, 478, 3) canonical
    pose: Float  # (T, 6)
    gaze: Float  # (T, 2)
    blink: Float  # (T,) closes the lids where they are, since displacements alone never shut an eye


def portrait_of_frame(frame: Image, landmarks: Float) -> Portrait:
    """Makes a portrait of a square video frame (S, S, 3), not cropped or resized, with its landmarks (478, 3) px."""
    mask = np.round(person_mask(frame) * 255).astype(np.uint8)
    return Portrait("frame", "Frame", frame.shape[0], frame, mask, landmarks.astype(np.float32), face_triangles())


def motion_of_landmarks(renderer: MeshRenderer, landmarks: Float) -> DrivenMotion:
    """The motion that moves the portrait's face to the landmarks (T, 478, 3), in output px."""
    head, face = renderer.head, renderer.resting_face
    tracked = fit_head(landmarks, face)
    offsets = tracked.remove(landmarks) - face
    offsets[:, MESH_POINTS:] = 0
    turn = tracked.rotation @ head.rotation[0].T
    scale = tracked.scale / head.scale[0]
    pivot = renderer.pivot
    from_pivot = scale[:, None] * (turn @ (pivot - head.shift[0]))
    shift = (tracked.shift + from_pivot - pivot)[:, :2] / renderer.unit
    pose = np.column_stack([euler_angles(turn), shift, NEARER_PER_SCALE * (scale - 1)])
    gaze = _iris_angles(tracked.remove(landmarks)) - _iris_angles((face - renderer.resting_offsets)[None])
    opened = 1 + (lid_gaps(face + offsets) - lid_gaps(face)).mean(axis=1) / lid_gaps(face).mean()
    blink = np.clip(1 - opened / _BLINKS_FROM, 0, 1)
    return DrivenMotion(*(np.asarray(part, np.float32) for part in (offsets, pose, gaze, blink)))


def _iris_angles(canonical: Float) -> Float:
    """Mean yaw and pitch (T, 2) of the eyes of canonical faces (T, 478, 3)."""
    angles = []
    for contour, iris in ((EYE_LEFT, IRIS_LEFT[0]), (EYE_RIGHT, IRIS_RIGHT[0])):
        middle = (canonical[:, contour[0]] + canonical[:, contour[8]]) / 2
        angles.append(np.arcsin(np.clip((canonical[:, iris] - middle)[:, :2] / _EYEBALL, -0.9, 0.9)))
    return np.asarray(np.mean(angles, axis=0), np.float32)
