"""Renderer fidelity: compares a real video with its tracked motion rendered on its first frame.

Metrics as the CLI contract defines them: SSIM (Wang 2004), CPBD (Narvekar and Karam 2011), mouth landmark distance on
256 x 256 faces, mean absolute error around the mouth, with and without the layers behind lips and eyelids, and the
contrast and brightness inside the mouth, relative to the real one's, by its opening (see `mouth_light`).
Runs on: any thread; seconds per clip.
"""

from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.face.landmarks import LIPS
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.evaluation.critic import CriticSample, samples_of
from styletalk_core.lab.evaluation.mouth_light import MouthLight, mouth_light
from styletalk_core.lab.evaluation.reenactment import motion_of_landmarks, portrait_of_frame
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.video import read_frames

SIZE: Final = 256
_CROP: Final = 1.9
"""Side of the crop in face heights."""
_MOUTH_MARGIN: Final = 6
"""Margin around the lips in the mouth region, px."""
_CPBD_BETA: Final = 3.6
_CPBD_JUST_NOTICEABLE: Final = 0.63
_CPBD_BLOCK: Final = 64
_CPBD_EDGE_SHARE: Final = 0.002


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Means over the frames of a clip."""

    ssim: float
    cpbd: float
    cpbd_ratio: float
    m_lmd: float
    mouth_l1: float
    mouth_l1_plain_warp: float
    inside: MouthLight
    samples: list[CriticSample]
    """What the critic compares; see `critic`."""

    def rounded(self) -> dict[str, float]:
        """The metrics rounded for display."""
        plain = (field.name for field in fields(self) if field.name not in ("inside", "samples"))
        values = {name: getattr(self, name) for name in plain} | self.inside.figures()
        return {name: round(value, 4) for name, value in values.items()}


def judge_renderer(path: str | Path, tracker: FaceTracker, every: int = 1) -> Fidelity:
    """Evaluates the renderer on every ``every``-th frame of a video.

    Raises:
        InputError: the file is not a video, or more than half of its frames show no face.
    """
    frames, landmarks = _face_frames(path, tracker, every)
    renderer = MeshRenderer(portrait_of_frame(frames[0], landmarks[0]), SIZE)
    motion = motion_of_landmarks(renderer, landmarks)
    ssims, sharpness, distances, errors, inside = [], [], [], [], []
    samples: list[CriticSample] = []
    for index, (frame, points) in enumerate(zip(frames, landmarks, strict=True)):
        driven = motion.offsets[index], motion.pose[index], motion.gaze[index], float(motion.blink[index])
        image, plain = (renderer.render_offsets(*driven, layers=layers) for layers in (True, False))
        ssims.append(ssim(image, frame))
        sharpness.append((cpbd(image), cpbd(frame)))
        inside.append((mouth_light(image, points), mouth_light(frame, points)))
        if index > 0:  # The first frame is the portrait itself.
            samples += samples_of(frame, image, plain, points)
        mouth = _mouth_window(points)
        errors.append([float(np.abs(p[mouth].astype(int) - frame[mouth]).mean()) for p in (image, plain)])
        with suppress(InputError):
            again = tracker.track_image(image)
            distances.append(float(np.linalg.norm((again - points)[list(LIPS), :2], axis=1).mean()))
    ours, real = np.mean(sharpness, axis=0)
    error, plain_error = np.mean(errors, axis=0)
    return Fidelity(
        ssim=float(np.mean(ssims)),
        cpbd=float(ours),
        cpbd_ratio=float(ours / max(real, 1e-6)),
        m_lmd=float(np.mean(distances)) if distances else float("nan"),
        mouth_l1=float(error),
        mouth_l1_plain_warp=float(plain_error),
        inside=MouthLight.compared(inside),
        samples=samples,
    )


def _face_frames(path: str | Path, tracker: FaceTracker, every: int) -> tuple[list[Image], Float]:
    """Square crops (SIZE, SIZE, 3) around the face in every frame that shows one, and its landmarks."""
    frames = [frame.image for index, frame in enumerate(read_frames(path)) if index % every == 0]
    kept = []
    for image in frames:
        with suppress(InputError):
            kept.append((image, tracker.track_image(image)))
    if len(kept) * 2 < len(frames) or len(kept) < 2:
        raise InputError(f"{path} shows a face in only {len(kept)} of {len(frames)} frames")
    return cut_faces([image for image, _ in kept], np.stack([points for _, points in kept]))


def cut_faces(images: list[Image], landmarks: Float) -> tuple[list[Image], Float]:
    """Crops the same square around the face in all frames of a clip.

    Args:
        images: (H, W, 3) each.
        landmarks: (T, 478, 3) px, of the same frames.

    Returns:
        (crops (SIZE, SIZE, 3), their landmarks (T, 478, 3), px).
    """
    low, high = landmarks[..., :2].min((0, 1)), landmarks[..., :2].max((0, 1))
    height, width = images[0].shape[:2]
    side = min(round(_CROP * float(np.median(np.ptp(landmarks[..., 1], axis=1)))), height, width)
    left, top = (
        int(np.clip((a + b - side) / 2, 0, length - side))
        for a, b, length in zip(low, high, (width, height), strict=True)
    )
    method = cv2.INTER_AREA if side > SIZE else cv2.INTER_CUBIC
    crops = [
        cv2.resize(image[top : top + side, left : left + side], (SIZE, SIZE), interpolation=method) for image in images
    ]
    scale = SIZE / side
    moved = (landmarks - np.array([left - 0.5, top - 0.5, 0], np.float32)) * scale - [0.5, 0.5, 0]
    return crops, moved.astype(np.float32)


def _mouth_window(landmarks: Float) -> tuple[slice, slice]:
    low = np.maximum(landmarks[list(LIPS), :2].min(0).astype(int) - _MOUTH_MARGIN, 0)
    high = landmarks[list(LIPS), :2].max(0).astype(int) + _MOUTH_MARGIN + 1
    return slice(low[1], high[1]), slice(low[0], high[0])


def ssim(one: Image, other: Image) -> float:
    """Mean structural similarity of the luminance of two images (H, W, 3), with 11 x 11 Gaussian windows."""
    a, b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (one, other))

    def mean(values: Float) -> Float:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def cpbd(image: Image) -> float:
    """Cumulative probability of blur detection of an image (H, W, 3): 0 (blurred) to 1 (sharp)."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny(gray, 60, 150) > 0
    widths = _edge_widths(gray.astype(np.int16), edges)
    noticeable = total = 0
    for top in range(0, gray.shape[0] - _CPBD_BLOCK + 1, _CPBD_BLOCK):
        for left in range(0, gray.shape[1] - _CPBD_BLOCK + 1, _CPBD_BLOCK):
            block = (slice(top, top + _CPBD_BLOCK), slice(left, left + _CPBD_BLOCK))
            if edges[block].mean() < _CPBD_EDGE_SHARE:
                continue
            width = widths[block][widths[block] > 0]
            sharp_width = 5.0 if np.ptp(gray[block].astype(int)) <= 50 else 3.0
            probability = 1 - np.exp(-((width / sharp_width) ** _CPBD_BETA))
            noticeable += int((probability <= _CPBD_JUST_NOTICEABLE).sum())
            total += len(width)
    return noticeable / max(total, 1)


def _edge_widths(gray: Float, edges: Float) -> Float:
    """Width of the edge at each near-vertical edge pixel, along its row (Marziliano 2002); 0 elsewhere."""
    horizontal, vertical = (cv2.Sobel(gray, cv2.CV_32F, dx, dy) for dx, dy in ((1, 0), (0, 1)))
    widths = np.zeros(gray.shape, np.float32)
    for y, x in zip(*np.nonzero(edges & (np.abs(horizontal) > np.abs(vertical))), strict=True):
        row, sign = gray[y], 1 if horizontal[y, x] > 0 else -1
        left = right = x
        while left > 0 and (row[left] - row[left - 1]) * sign > 0:
            left -= 1
        while right < len(row) - 1 and (row[right + 1] - row[right]) * sign > 0:
            right += 1
        widths[y, x] = right - left
    return widths
