"""Notes on a photo for its owner: what its avatar will suffer from, and what another photo should do better.

The photo can be used; what cannot is refused with an error (`photo`, `visibility`).
Runs on: any thread, at enrolment only; pure.
"""

from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import (
    EYES,
    LOWER_INNER_LIP,
    UPPER_INNER_LIP,
    Eye,
    eye_distance_px,
)
from styletalk_core.rendering.portrait.photo import turn

SMALL_FACE: Final = 220
"""Height of the face in the photo below which its video is soft, px."""
_BLURRED: Final = 0.03
"""Fine detail around the eyes below which a photo is blurred, relative to their lightness."""
_DETAIL: Final = 0.02
"""Size of that detail, inter-ocular distances."""
_TURNED: Final = 14.0
"""Angle in degrees above which the far side of the face stretches when the head moves."""
_LEVEL: Final = -8.0
"""Pitch in degrees that the face mesh has in a photo taken from the front."""
_OPEN: Final = 0.05
"""Gap between the lips above which the lips are closed by the program, inter-ocular distances."""
_NARROW: Final = 0.15
"""Height of the open eye relative to its width below which it counts as half closed."""
_SIDE_LIGHT: Final = 1.9
"""Ratio of the lightness of both cheeks above which one side is in shadow."""
_CHEEKS: Final = ((50, 205), (280, 425))


def notes_on(image: Image, landmarks: Float, face_height: float) -> list[str]:
    """Return a clause for each thing to do better, none for a good photo.

    Args:
        image: (T, T, 3) the face as it was cropped.
        landmarks: (478, 3) px of it.
        face_height: px, height of the face in the photo as it was given.
    """
    unit, points = eye_distance_px(landmarks), landmarks[:, :2]
    notes = []
    if face_height < SMALL_FACE:
        notes.append(
            f"the face is {face_height:.0f} pixels high: the video is sharper from a photo with {SMALL_FACE} or more"
        )
    elif _detail(image, points, unit) < _BLURRED:
        notes.append("the photo is blurred: the video is sharper from one in focus")
    yaw, pitch = np.degrees(turn(landmarks))
    away = max(abs(yaw), abs(pitch - _LEVEL))
    if away > _TURNED:
        notes.append(f"the head is turned by {away:.0f} degrees: it moves best from a photo taken from the front")
    gap = float((points[list(LOWER_INNER_LIP), 1] - points[list(UPPER_INNER_LIP), 1]).max()) / unit
    if gap > _OPEN:
        notes.append("the mouth is open: its lips are closed by the program and look best in a photo with closed ones")
    if min(_openness(points, eye) for eye in EYES) < _NARROW:
        notes.append("an eye is half closed and stays so: gaze and blinks look best in a photo with open eyes")
    one, other = (_lightness(image, points[list(cheek)], unit) for cheek in _CHEEKS)
    if max(one, other) > _SIDE_LIGHT * min(one, other):
        notes.append("one side of the face is in shadow: light from the front looks best when the head turns")
    return notes


def _detail(image: Image, points: Float, unit: float) -> float:
    """Mean fine detail around the eyes, relative to the lightness of the image (T, T, 3).

    `sharpness.blur_of` is exact for a weak blur, but takes a strong one, which has no edges, for none.
    """
    eyes = np.vstack([points[[*eye.upper_lid, *eye.lower_lid]] for eye in EYES])
    low, high = np.maximum(eyes.min(axis=0), 0).astype(int), eyes.max(axis=0).astype(int) + 1
    grey: Float = cv2.cvtColor(image[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), _DETAIL * unit / 2))
    return float(fine.mean() / max(float(grey.mean()), 1.0))


def _openness(points: Float, eye: Eye) -> float:
    """Height of an open eye relative to its width."""
    upper, lower = points[list(eye.upper_lid)], points[list(eye.lower_lid)]
    return float((lower - upper)[2:7, 1].mean() / np.linalg.norm(upper[-1] - upper[0]))


def _lightness(image: Image, places: Float, unit: float) -> float:
    """Mean lightness of an image (T, T, 3) around ``places`` (N, 2)."""
    reach = max(1, round(0.04 * unit))
    parts = [
        image[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].mean()
        for x, y in places.round().astype(int)
    ]
    return max(float(np.mean(parts)), 1.0)
