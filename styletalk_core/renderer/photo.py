"""A user's photo, checked and cropped: what the camera, the phone or the web made of it becomes a square RGB face.

Runs on: any thread, at enrolment only.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from styletalk_core.errors import InputError
from styletalk_core.renderer.arrays import Float, Image
from styletalk_core.renderer.face_mesh import CHIN, FACE_OVAL, interocular
from styletalk_core.tracker import FaceTracker

MIN_FACE = 80  # px, height of the face mesh
MAX_PIXELS = 60_000_000
WORKING_SIDE = 2048  # px, longer photos are reduced first
MAX_YAW, MAX_PITCH = np.radians(25), np.radians(25)

# Crop: the face mesh (brow to chin, 1.0) takes this share of the picture's height, its centre this far down.
FACE_SHARE, FACE_CENTER = 0.46, 0.50


def load(path: Path) -> Image:
    """Returns (H, W, 3) uint8 RGB, upright, whatever the file's colour space and depth.

    Raises:
        InputError: not a still picture.
    """
    try:
        with Pillow.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{path} has more than {MAX_PIXELS // 1_000_000} megapixels: reduce it first")
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith(("I", "F")):
                values = np.asarray(upright, np.float32)
                top = 65535.0 if values.max() > 255 else 255.0
                upright = Pillow.fromarray((values / top * 255).clip(0, 255).astype(np.uint8))
            if "A" in upright.getbands() or "transparency" in upright.info:
                rgba = upright.convert("RGBA")
                upright = Pillow.alpha_composite(Pillow.new("RGBA", rgba.size, (235, 235, 235, 255)), rgba)
            rgb = upright.convert("RGB")
            rgb.thumbnail((WORKING_SIDE, WORKING_SIDE), Pillow.Resampling.LANCZOS)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a picture that can be read") from error
    return np.array(rgb)


def find_landmarks(rgb: Image) -> Float:
    """Landmarks (478, 3) px of the largest face in a picture (H, W, 3).

    Raises:
        InputError: there is no face.
    """
    with FaceTracker() as tracker:
        return tracker.track_image(rgb)


def cropped_face(rgb: Image, size: int) -> tuple[Image, Float]:
    """Cuts the square around the largest face.

    Returns:
        The crop (T, T, 3) with ``T`` between the photo's own resolution and 1.75 ``size``, and its landmarks
        (478, 3) px.

    Raises:
        InputError: no face, or one too small or turned too far.
    """
    landmarks = find_landmarks(rgb)
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
    side = round(min(height / FACE_SHARE, min(rgb.shape[:2])))
    center = (low + high) / 2
    left = int(np.clip(round(center[0] - side / 2), 0, rgb.shape[1] - side))
    top = int(np.clip(round(center[1] - FACE_CENTER * side), 0, rgb.shape[0] - side))
    target = int(np.clip(side, size, round(1.75 * size)))
    interpolation = cv2.INTER_AREA if target < side else cv2.INTER_CUBIC
    crop = cv2.resize(rgb[top : top + side, left : left + side], (target, target), interpolation=interpolation)
    scale = target / side
    moved = (landmarks - np.array([left - 0.5, top - 0.5, 0], np.float32)) * scale - np.array([0.5, 0.5, 0], np.float32)
    return crop, moved.astype(np.float32)


def turn(landmarks: Float) -> tuple[float, float]:
    """Yaw and pitch [rad] of a face away from the camera, from the plane through eyes and chin."""
    across = landmarks[263] - landmarks[33]
    down = landmarks[CHIN] - landmarks[10]
    unit = interocular(landmarks)
    normal = np.cross(across, down) / unit**2
    return float(np.arctan2(normal[0], abs(normal[2]))), float(np.arctan2(normal[1], abs(normal[2])))
