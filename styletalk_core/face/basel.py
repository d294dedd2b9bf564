"""From `mesh64` coefficients to the 73 Basel coefficients that the published PIRenderer is driven by.

The published renderer knows the 64 expression directions of the Basel face model, which are not this project's. Where
both describe the same frames of video (the official samples and style clips), one is nearly linear in the other: what
is kept here are least-squares maps. On people who were left out, the six Basel directions that move most come back with
a correlation of 0.75 to 0.87, the head's angles within 3 degrees; fine detail is lost. `styletalk train basel` makes
them.

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
"""Three angles [rad], three of the translation, three of the crop: scale, and where the face lies in 256 x 256 px."""


@dataclass(frozen=True, slots=True)
class BaselMap:
    """`expression` (64, 64) from mesh64, `rest` (64,) of a face at rest, `placement` (7, 9) from `head_features`."""

    expression: Array
    rest: Array
    placement: Array

    @classmethod
    def load(cls, path: Path = FOLDER / "basel.safetensors") -> "BaselMap":
        """Reads the packaged map."""
        return cls(**load_file(path))

    def save(self, path: Path, card: dict[str, str]) -> None:
        """Writes what `load` reads, with a model card."""
        save_file({field.name: getattr(self, field.name) for field in fields(self)}, path, metadata=card)

    def motion(self, expression: Array, head: Array) -> Array:
        """(N, 73) for mesh64 coefficients (N, 64) and heads (N, 7) as `head_features` gives them."""
        return np.concatenate([self.rest + expression @ self.expression, head @ self.placement], axis=1)


def head_features(angles: Array, center: Array, scale: Array) -> Array:
    """What the placement is linear in, (N, 7).

    Args:
        angles: (N, 3) pitch, yaw, roll [rad] towards the camera, as `head_pose.euler_angles` gives them.
        center: (N, 2) middle of the face model in the picture, sides of the picture.
        scale: (N,) inter-ocular distance, sides of the picture.
    """
    return np.column_stack([angles, center, 1 / scale, np.ones(len(angles))]).astype(np.float32)
