"""Conversion of `mesh64` coefficients to the 73 Basel coefficients that drive the published PIRenderer.

The published renderer uses the 64 expression directions of the Basel face model, which differ from this project's. On
the same video frames (the official samples and style clips), one is nearly linear in the other, so the maps here are
least-squares fits. On held-out people, the six Basel directions with the most motion are recovered with a correlation
of 0.75 to 0.87 and the head angles within 3 degrees; fine detail is lost. `styletalk train basel` fits the maps.

Runs on: any thread; pure apart from `load` and `save`.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from styletalk_core.weights import FOLDER

Array = NDArray[np.float32]

EXPRESSION: Final = 64
PLACEMENT: Final = 9
"""Three angles [rad], three translations, three of the crop: scale and position of the face in 256 x 256 px."""


@dataclass(frozen=True, slots=True)
class BaselMap:
    """Linear maps: `expression` (64, 64) from mesh64, `rest` (64,) at rest, `placement` (7, 9) from `head_features`."""

    expression: Array
    rest: Array
    placement: Array

    @classmethod
    def load(cls, path: Path = FOLDER / "basel.safetensors") -> "BaselMap":
        """Reads the packaged map."""
        return cls(**load_file(path))

    def save(self, path: Path, card: dict[str, str]) -> None:
        """Saves the map with a model card."""
        save_file({field.name: getattr(self, field.name) for field in fields(self)}, path, metadata=card)

    def motion(self, expression: Array, head: Array) -> Array:
        """Return (N, 73) for mesh64 coefficients (N, 64) and `head_features` (N, 7)."""
        return np.concatenate([self.rest + expression @ self.expression, head @ self.placement], axis=1)


def head_features(angles: Array, center: Array, scale: Array) -> Array:
    """Return the features in which the placement is linear, (N, 7).

    Args:
        angles: (N, 3) pitch, yaw, roll [rad] towards the camera, as returned by `head_pose.euler_angles`.
        center: (N, 2) centre of the face model in the image, as a fraction of the image size.
        scale: (N,) inter-ocular distance, as a fraction of the image size.
    """
    return np.column_stack([angles, center, 1 / scale, np.ones(len(angles))]).astype(np.float32)
