"""Person segmentation: soft mask of a photo, foreground colours, and the empty background.

The mask network is MediaPipe Selfie Segmentation (Apache-2.0), run by OpenCV; its 256 x 256
output is refined along the photo's edges by a guided filter, to preserve the outline of hair.
Runs on: any thread, at enrolment only (about 50 ms for 1024 x 1024).
"""

from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image

_NETWORK_SIDE = 256


@cache
def _network() -> Any:
    return cv2.dnn.readNetFromTFLite(str(files("styletalk_core") / "weights" / "person_mask.tflite"))


def person_mask(rgb: Image) -> Float:
    """Return the person mask (H, W) float32, 0 background .. 1 person, of a photo (H, W, 3) uint8 RGB."""
    network = _network()
    network.setInput(cv2.dnn.blobFromImage(rgb, 1 / 255.0, (_NETWORK_SIDE, _NETWORK_SIDE)))
    coarse = network.forward()[0, 0]
    height, width = rgb.shape[:2]
    mask = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    radius = max(2, round(max(height, width) / 64))
    fine = guided_filter(rgb.astype(np.float32) / 255, mask, radius, 1e-4)
    return np.clip((fine - 0.34) / 0.56, 0, 1)


def guided_filter(guide: Float, values: Float, radius: int, epsilon: float) -> Float:
    """Fast guided filter (He and Sun 2015) of ``values`` (H, W) with a colour guide (H, W, 3).

    The linear models are fitted at a third of the resolution and applied at the full one.
    """
    size = (values.shape[1], values.shape[0])
    small_guide, small_values = (
        cv2.resize(part, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA) for part in (guide, values)
    )
    window = (2 * max(1, round(radius / 3)) + 1,) * 2

    def mean(image: Float) -> Float:
        return cv2.boxFilter(image, -1, window, borderType=cv2.BORDER_REFLECT)

    guide_mean, values_mean = mean(small_guide), mean(small_values)
    covariance = mean(small_guide * small_values[..., None]) - guide_mean * values_mean[..., None]
    moments = np.empty((*small_values.shape, 3, 3), np.float32)
    for i in range(3):
        moments[..., i, :] = mean(small_guide[..., i : i + 1] * small_guide) - guide_mean[..., i : i + 1] * guide_mean
    moments += epsilon * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(moments, covariance[..., None])[..., 0]
    offset = values_mean - (slope * guide_mean).sum(-1)
    slope, offset = (cv2.resize(mean(part), size, interpolation=cv2.INTER_LINEAR) for part in (slope, offset))
    return np.asarray((slope * guide).sum(-1) + offset, np.float32)


def fill_in(image: Float, weight: Float) -> Float:
    """Keeps ``image`` (H, W, C) where ``weight`` (H, W) is 1 and fills the rest smoothly from the kept pixels.

    Push-pull interpolation: averages down a pyramid, then fills gaps of each level from the coarser one.
    """
    levels = [(image * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    filled = levels[-1][0] / np.maximum(levels[-1][1], 1e-6)[..., None]
    for color, known in reversed(levels[:-1]):
        coarse = cv2.pyrUp(filled, dstsize=(known.shape[1], known.shape[0]))
        trust = np.minimum(known * 1.0, 1.0)[..., None]
        filled = color / np.maximum(known, 1e-6)[..., None] * trust + coarse * (1 - trust)
    return np.asarray(filled, np.float32)


def foreground_colors(rgb: Image, mask: Float) -> Float:
    """Return foreground colours, without background bleed at soft edges and defined everywhere, (H, W, 3) float32."""
    image = rgb.astype(np.float32)
    sure = (cv2.erode(mask, np.ones((3, 3))) > 0.95).astype(np.float32)
    keep = np.clip((mask - 0.75) / 0.2, 0, 1)[..., None]
    return np.asarray(image * keep + fill_in(image, sure) * (1 - keep), np.float32)


def empty_background(rgb: Image, mask: Float) -> Float:
    """Return the photo without the person, (H, W, 3) float32, inpainted from the surroundings.

    A head that moves uncovers what lies behind its outline: single hairs beside it are removed as well, and the fill
    fades into the photo.
    """
    reach = max(3, round(max(mask.shape) / 48)) | 1
    sure = (cv2.dilate(mask, np.ones((reach, reach))) < 0.02).astype(np.float32)
    if sure.mean() < 0.02:  # Hardly any background to learn from: a plain wall in its average colour.
        sure = (mask < 0.5).astype(np.float32)
    image = rgb.astype(np.float32)
    beside = cv2.distanceTransform((sure > 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    keep = np.clip(beside / reach, 0, 1)[..., None]
    smooth = cv2.GaussianBlur(fill_in(image, sure), (0, 0), reach)
    return np.asarray(image * keep + smooth * (1 - keep), np.float32)
