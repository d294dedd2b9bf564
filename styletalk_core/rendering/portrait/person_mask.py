"""Person segmentation: soft mask of a photo, and the empty background.

The mask network is MediaPipe Selfie Segmentation (Apache-2.0), run by OpenCV on the photo and its mirror image; matting
refines the mean of its 256 x 256 outputs to single strands of hair.
Runs on: any thread, at enrolment only (about 2 s).
"""

from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.portrait.matting import soft_mask
from styletalk_core.rendering.portrait.push_pull import fill_in

_NETWORK_SIDE = 256


@cache
def _network() -> Any:
    return cv2.dnn.readNetFromTFLite(str(files("styletalk_core") / "weights" / "person_mask.tflite"))


def person_mask(rgb: Image) -> Float:
    """Return the person mask (H, W) float32, 0 background .. 1 person, of a photo (H, W, 3) uint8 RGB."""
    network = _network()

    def network_mask(image: Image) -> Float:
        network.setInput(cv2.dnn.blobFromImage(image, 1 / 255.0, (_NETWORK_SIDE, _NETWORK_SIDE)))
        return np.array(network.forward()[0, 0], np.float32)

    mirrored = network_mask(np.ascontiguousarray(rgb[:, ::-1]))[:, ::-1]
    return soft_mask(rgb, ((network_mask(rgb) + mirrored) / 2).clip(0, 1))


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
