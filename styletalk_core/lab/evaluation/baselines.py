"""Baseline motions for the evaluation: trivial ones, and ones derived from the clip's ground truth.

Runs on: any thread; pure.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.lab.evaluation.clip import SelfDrivenClip
from styletalk_core.lab.training.lips import LipMap

Float = NDArray[np.float32]


def still(clip: SelfDrivenClip, lips: LipMap) -> Float:
    """The neutral face in every frame: (T, 64)."""
    return np.zeros_like(clip.motion.coefficients)


def mean_per_phone(clip: SelfDrivenClip, lips: LipMap) -> Float:
    """The mean of the clip's own motion for each phone: (T, 64). Uses the ground truth."""
    assert clip.motion.phones is not None
    true, heard = clip.motion.coefficients, clip.motion.phones.argmax(axis=1)
    means = np.zeros((clip.motion.phones.shape[1], true.shape[1]), np.float32)
    for phone in np.unique(heard):
        means[phone] = true[heard == phone].mean(axis=0)
    return np.asarray(means[heard], np.float32)


def amplitude_jaw(clip: SelfDrivenClip, lips: LipMap) -> Float:
    """The clip's mean face with a mouth opening that follows the loudness, with the clip's own deviation: (T, 64)."""
    true = clip.motion.coefficients
    opening = lips.opening(true)
    moved = opening - opening.mean()
    direction = (true - true.mean(axis=0)).T @ moved / (moved @ moved + 1e-9)
    level = clip.loudness - clip.loudness.mean()
    wanted = level / (level.std() + 1e-6) * opening.std()
    return np.asarray(true.mean(axis=0) + wanted[:, None] * direction, np.float32)


BASELINES: Final[dict[str, Callable[[SelfDrivenClip, LipMap], Float]]] = {
    "still": still,
    "mean_per_phone": mean_per_phone,
    "amplitude_jaw": amplitude_jaw,
}
