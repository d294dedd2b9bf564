"""Photo preparation: checks a user's photo and crops it to a square RGB face.

Runs on: any thread, at enrolment only.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import CHIN, FACE_OVAL, eye_distance_px
from styletalk_core.rendering.portrait.visibility import check_visible

MIN_FACE = 80  # px, height of the face mesh
MAX_YAW, MAX_PITCH = np.radians(25), np.radians(25)

# Crop: height of the face mesh (eyebrows to chin) and vertical position of its centre, relative to the image height.
FACE_SHARE, FACE_CENTER = 0.46, 0.50


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """Square around one of the ``faces`` of a photo: ``image`` (T, T, 3) and its ``landmarks`` (478, 3) px.

    ``height`` is that of the face in the photo, px.
    """

    image: Image
    landmarks: Float
    faces: int
    height: float


def find_landmarks(rgb: Image) -> Float:
    """Return the landmarks (478, 3) px of the largest face in an image (H, W, 3).

    Raises:
        InputError: no face was found.
    """
    with FaceTracker() as tracker:
        return tracker.track_image(rgb)


def find_faces(rgb: Image) -> list[Float]:
    """Return the landmarks (478, 3) px of the faces in an image (H, W, 3), largest first."""
    with FaceTracker() as tracker:
        return tracker.track_faces(rgb)


def cropped_face(rgb: Image, size: int, number: int = 1) -> FaceCrop:
    """Cuts the square around a face, by default the largest one.

    Args:
        rgb: (H, W, 3) photo.
        size: of the video in pixels; the crop's side is between the photo's own resolution and 1.75 ``size``.
        number: of the face, from 1, largest first.

    Raises:
        InputError: no such face, or one too small, turned too far, cut off or covered.
    """
    found = find_faces(rgb)
    if not found:
        raise InputError("no face was found in the image")
    if not 1 <= number <= len(found):
        raise InputError(f"the photo shows {len(found)} faces: there is no face {number}")
    landmarks = found[number - 1]
    oval = landmarks[list(FACE_OVAL)]
    low, high = oval[:, :2].min(0), oval[:, :2].max(0)
    height = float(high[1] - low[1])
    if height < MIN_FACE:
        raise InputError(f"the face is only {height:.0f} pixels high: use a photo where it has at least {MIN_FACE}")
    yaw, pitch = turn(landmarks)
    if abs(yaw) > MAX_YAW or abs(pitch) > MAX_PITCH:
        raise InputError("the face is turned away: use a photo that looks into the camera")
    if (landmarks[:, :2] < -2).any() or (landmarks[:, :2] > np.array(rgb.shape[1::-1]) + 2).any():
        raise InputError("the face is cut off at the edge of the photo")
    check_visible(rgb, landmarks)
    side = round(min(height / FACE_SHARE, min(rgb.shape[:2])))
    center = (low + high) / 2
    left = int(np.clip(round(center[0] - side / 2), 0, rgb.shape[1] - side))
    top = int(np.clip(round(center[1] - FACE_CENTER * side), 0, rgb.shape[0] - side))
    target = int(np.clip(side, size, round(1.75 * size)))
    interpolation = cv2.INTER_AREA if target < side else cv2.INTER_CUBIC
    crop = cv2.resize(rgb[top : top + side, left : left + side], (target, target), interpolation=interpolation)
    scale = target / side
    moved = (landmarks - np.array([left - 0.5, top - 0.5, 0], np.float32)) * scale - np.array([0.5, 0.5, 0], np.float32)
    return FaceCrop(crop, moved.astype(np.float32), len(found), height)


def turn(landmarks: Float) -> tuple[float, float]:
    """Return yaw and pitch [rad] of a face relative to the camera, from the plane through eyes and chin."""
    across = landmarks[263] - landmarks[33]
    down = landmarks[CHIN] - landmarks[10]
    unit = eye_distance_px(landmarks)
    normal = np.cross(across, down) / unit**2
    return float(np.arctan2(normal[0], abs(normal[2]))), float(np.arctan2(normal[1], abs(normal[2])))
