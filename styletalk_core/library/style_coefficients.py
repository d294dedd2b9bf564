"""Styles from the authors' coefficient files, in their own Basel coefficients.

Runs on: any thread; a file takes some milliseconds.
"""

from pathlib import Path
from typing import Final

import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.face.basel import packaged_map
from styletalk_core.face.basel_alignment import STANDARD_SIZE
from styletalk_core.face.basel_file import BaselClip, read_basel_file
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import NEARER_PER_SCALE
from styletalk_core.face.landmarks import EYE_LEFT, EYE_RIGHT
from styletalk_core.face.spaces import BFM64
from styletalk_core.library.styles import MAX_CLIP_MEGABYTES, POSE, STYLE_FRAMES, Float, Style

MIN_FRAMES: Final = 60
"""Two seconds, as of a video."""


def style_from_coefficients(path: Path, name: str) -> Style:
    """Creates a style from a coefficient file without storing it; its coefficients are those of the file, unchanged.

    As in the official code, the first 256 frames are used.

    Raises:
        InputError: the file cannot be read, is too large or too short.
    """
    if path.is_file() and path.stat().st_size > MAX_CLIP_MEGABYTES * 1_000_000:
        raise InputError(f"{path.name} has more than {MAX_CLIP_MEGABYTES} MB, the most that a style is read from")
    clip = read_basel_file(path)
    if len(clip.expression) < MIN_FRAMES:
        raise InputError(f"{path.name} has {len(clip.expression)} frames; at least {MIN_FRAMES} are needed")
    style = Style(
        name=name,
        coefficients=clip.expression[:STYLE_FRAMES],
        pose=head_poses(clip)[:STYLE_FRAMES],
        starts=np.zeros(1, np.int32),
        posture=np.zeros(POSE, np.float32),
        source=path.name,
        tracked_share=1.0,
        motion_energy=0.0,
        space=BFM64,
    )
    return style.with_energy()


def head_poses(clip: BaselClip) -> Float:
    """Return the head poses (T, 6) of a clip, as in `head_pose`; without crop parameters the head stays in place."""
    fitted = packaged_map()
    pose = np.zeros((len(clip.placement), POSE), np.float32)
    pose[:, :3] = fitted.turn(clip.placement[:, :3])
    scale, x, up = clip.placement[:, 6:].T
    if (scale > 0).all():
        unit = _eye_distance() / np.median(scale)
        pose[:, 3], pose[:, 4] = (x - np.median(x)) / unit, (np.median(up) - up) / unit
        pose[:, 5] = NEARER_PER_SCALE * (np.median(scale) / scale - 1)
    return pose


def _eye_distance() -> float:
    """Return the distance of the outer eye corners in an image whose crop has scale 1, px."""
    mean = FaceModel.load().mean
    left, right = ((mean[contour[0]] + mean[contour[8]]) / 2 for contour in (EYE_LEFT, EYE_RIGHT))
    standard = packaged_map().five_points
    return STANDARD_SIZE * float(standard[1, 0] - standard[0, 0]) / float(right[0] - left[0])
