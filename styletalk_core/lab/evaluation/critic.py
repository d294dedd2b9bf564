"""Critic: how well rendered mouths and eyes are told from real ones by a classifier that never saw the person.

A ridge classifier is trained on gradients, colours and fine detail of crops of real frames and of the same frames in
another version: rendered, plainly warped, or only encoded again. Its balanced accuracy on the crops of other people is
0.5 if the version cannot be told from the real frames, and 1 if it always can. Real and other crops have the same size
and place and pass through the same encoder.
Runs on: any thread; about a second per hundred frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import EYES, LOWER_OUTER_LIP, UPPER_OUTER_LIP, eye_distance_px

REGIONS: Final = ("mouth", "eyes")
VERSIONS: Final = ("rendered", "plain_warp", "encoded_again")
FOLDS: Final = 5
_MOUTH_SHARE, _EYE_SHARE = 1.0, 0.5
"""Widths of the crops, in inter-ocular distances."""
_CROP: Final = (64, 48)
"""Width and height of a crop, px."""
_QUALITY: Final = 80
"""JPEG quality with which every frame is encoded."""
_FINE: Final = 1.0
_RIDGE: Final = 30.0
_COLORS: Final = (8, 6)
_HOG: Final = cv2.HOGDescriptor(_CROP, (16, 16), (8, 8), (8, 8), 9)


@dataclass(frozen=True, slots=True)
class CriticSample:
    """Features (D,) of one region of a real frame and of the same frame in each of the `VERSIONS`."""

    region: str
    real: Float
    versions: dict[str, Float]


def samples_of(real: Image, rendered: Image, plain: Image, landmarks: Float) -> list[CriticSample]:
    """The mouth and both eyes of a frame (S, S, 3) with landmarks (478, >=2) px, in all versions."""
    once = _encoded(real)
    images = (once, _encoded(rendered), _encoded(plain), _encoded(once))
    found = []
    unit = eye_distance_px(landmarks)
    for region, points, share in (
        ("mouth", [*UPPER_OUTER_LIP, *LOWER_OUTER_LIP], _MOUTH_SHARE),
        *(("eyes", [*eye.upper_lid, *eye.lower_lid], _EYE_SHARE) for eye in EYES),
    ):
        middle = landmarks[points, :2].mean(axis=0)
        one, *others = (_features(_crop(image, middle, share * unit)) for image in images)
        found.append(CriticSample(region, one, dict(zip(VERSIONS, others, strict=True))))
    return found


def told_from_real(clips: Sequence[Sequence[CriticSample]]) -> dict[str, float]:
    """Balanced accuracies over clips of different people; NaN with fewer than `FOLDS` clips.

    Returns:
        ``told_from_real_mouth`` and ``told_from_real_eyes``, and the same of the other `VERSIONS`, with their names
        appended.
    """
    figures = {}
    for region in REGIONS:
        chosen = [[sample for sample in clip if sample.region == region] for clip in clips]
        chosen = [clip for clip in chosen if clip]
        for version in VERSIONS:
            name = f"told_from_real_{region}" + ("" if version == VERSIONS[0] else f"_{version}")
            figures[name] = _accuracy(chosen, version) if len(chosen) >= FOLDS else float("nan")
    return figures


def _accuracy(clips: Sequence[Sequence[CriticSample]], version: str) -> float:
    """Mean accuracy over the people left out in each fold; both classes have the same size."""
    features = [np.stack([side for s in clip for side in (s.real, s.versions[version])]) for clip in clips]
    labels = [np.tile(np.array([-1, 1], np.float32), len(clip)) for clip in clips]
    right = []
    for fold in range(FOLDS):
        learnt = [k for k in range(len(clips)) if k % FOLDS != fold]
        left_out = [k for k in range(len(clips)) if k % FOLDS == fold]
        decide = _trained(np.concatenate([features[k] for k in learnt]), np.concatenate([labels[k] for k in learnt]))
        right += [float(((features[k] @ decide.weights + decide.bias) * labels[k] > 0).mean()) for k in left_out]
    return float(np.mean(right))


@dataclass(frozen=True, slots=True)
class _Linear:
    weights: Float  # (D,)
    bias: float


def _trained(features: Float, labels: Float) -> _Linear:
    """Ridge regression of labels (N,) of -1 and 1 on standardised features (N, D), solved in its dual form."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    scaled = (features - mean) / spread
    kernel = scaled @ scaled.T + _RIDGE * scaled.shape[1] / 100 * np.eye(len(scaled), dtype=np.float32)
    weights = scaled.T @ np.linalg.solve(kernel, labels) / spread
    return _Linear(np.asarray(weights, np.float32), -float(mean @ weights))


def _crop(image: Image, middle: Float, width: float) -> Image:
    scale = _CROP[0] / width
    shift = np.array(_CROP) / 2 - 0.5 - scale * middle
    placed = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    crop = cv2.warpAffine(image, placed, _CROP, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)


def _encoded(image: Image) -> Image:
    """An image (H, W, 3) after encoding and decoding."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _features(crop: Image) -> Float:
    """Gradients, colours and fine detail of a crop (48, 64, 3), as a vector (D,)."""
    lab: Float = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    fine = np.abs(lab[..., 0] - cv2.GaussianBlur(lab[..., 0], (0, 0), _FINE))
    gradients = np.asarray(_HOG.compute(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)), np.float32).ravel()
    grids = [cv2.resize(part, _COLORS, interpolation=cv2.INTER_AREA).ravel() for part in (lab, fine)]
    return np.concatenate([gradients, *grids]).astype(np.float32)
