"""Conversion between `mesh64` and the Basel coefficients of the authors' networks.

The 64 expression directions of the Basel face model differ from this project's. On the same video frames (the official
samples and style clips) one is nearly linear in the other, so the maps in both directions are least-squares fits.
`styletalk train basel` fits them; `BaselMap.quality` is what it measured on people that were not used.

Runs on: any thread; pure apart from `load` and `save`.
"""

import json
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from styletalk_core.errors import InputError
from styletalk_core.face.spaces import BFM64, Space
from styletalk_core.weights import chosen, packaged_weights, weight_path

Array = NDArray[np.float32]

EXPRESSION: Final = 64
PLACEMENT: Final = 9
"""Three angles [rad], three translations, three of the crop: scale and position of the face in 256 x 256 px."""
_FILE: Final = "basel.safetensors"
_QUALITY: Final = "quality_on_unseen_people"


@dataclass(frozen=True, slots=True)
class MapQuality:
    """Figures of the maps on people that were not used to fit them."""

    to_basel_correlation: float
    """Mean correlation of the twelve Basel directions with the most motion, within a clip."""
    to_basel_error: float
    """Root mean square error of all Basel coefficients, relative to their deviation within a clip."""
    to_mesh_error: float
    """The same of the positions of 40 lip landmarks, from Basel coefficients."""
    opening_correlation: float
    """Correlation of the inner-lip gap from Basel coefficients with the tracked one; the least of the clips."""
    angle_error_deg: float
    """Root mean square error of the head angles from landmarks."""
    crop_error_px: float
    """Root mean square error of the face's position in the aligned image."""

    def error_from(self, space: Space) -> float:
        """Return the error of coefficients of a space in the other one."""
        return self.to_mesh_error if space == BFM64 else self.to_basel_error


@dataclass(frozen=True, slots=True)
class BaselMap:
    """Linear maps, the placement of a head and the alignment of a portrait; see `basel_alignment` for the latter."""

    expression: Array
    """(64, 64): mesh64 -> Basel, from `rest`."""
    rest: Array
    """(64,): Basel coefficients of the neutral face."""
    mesh: Array
    """(64, 64): Basel -> mesh64, from `mesh_rest`."""
    mesh_rest: Array
    """(64,): mesh64 coefficients where the Basel ones are zero."""
    placement: Array
    """(7, 6): `head_features` -> angles and translation."""
    five_points: Array
    """(5, 3): standard face of the alignment."""
    aligned: Array
    """(3,): usual scale and position of a face in an image aligned by the authors."""
    quality: MapQuality

    @classmethod
    def load(cls, path: Path | None = None) -> "BaselMap":
        """Reads a map, by default the packaged one."""
        with safe_open(path or packaged_weights(_FILE), "np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            quality = MapQuality(**json.loads(file.metadata()[_QUALITY]))
        return cls(**tensors, quality=quality)

    def save(self, path: Path, card: dict[str, str]) -> None:
        """Saves the map with a model card."""
        names = [field.name for field in fields(self) if field.name != "quality"]
        tensors = {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in names}
        save_file(tensors, path, metadata=card | {_QUALITY: json.dumps(asdict(self.quality))})

    def to_basel(self, mesh: Array) -> Array:
        """Return the Basel expression (…, 64) of mesh64 coefficients (…, 64)."""
        return np.asarray(self.rest + mesh @ self.expression, np.float32)

    def to_mesh(self, basel: Array) -> Array:
        """Return the mesh64 coefficients (…, 64) of a Basel expression (…, 64)."""
        return np.asarray(self.mesh_rest + basel @ self.mesh, np.float32)

    def place(self, head: Array) -> Array:
        """Return the Basel angles and translation (N, 6) of `head_features` (N, 7)."""
        return np.asarray(head @ self.placement, np.float32)

    def turn(self, angles: Array) -> Array:
        """Return pitch, yaw and roll (N, 3) of Basel angles (N, 3), as deviations from their mean."""
        return np.asarray((angles - angles.mean(axis=0)) @ np.linalg.inv(self.placement[:3, :3]), np.float32)


def has_map() -> bool:
    """Whether the chosen set of weights has a map."""
    return weight_path(_FILE).is_file()


@cache
def packaged_map() -> BaselMap:
    """The packaged map, read once.

    Raises:
        InputError: the chosen set of weights has none.
    """
    if not has_map():
        raise InputError(
            f"The {chosen()} weights cannot convert coefficients of the authors' networks: use the default ones."
        )
    return BaselMap.load()


def converted(expression: Array, source: Space, target: Space) -> Array:
    """Converts expression coefficients (…, 64) to another face model; unchanged where it is the same.

    Raises:
        InputError: the chosen set of weights has no map.
    """
    if source == target:
        return expression
    return packaged_map().to_basel(expression) if target == BFM64 else packaged_map().to_mesh(expression)


def head_features(angles: Array, center: Array, scale: Array) -> Array:
    """Return the features in which the placement is linear, (N, 7).

    Args:
        angles: (N, 3) pitch, yaw, roll [rad] towards the camera, as returned by `head_pose.euler_angles`.
        center: (N, 2) centre of the face model in the image, as a fraction of the image size.
        scale: (N,) inter-ocular distance, as a fraction of the image size.
    """
    return np.column_stack([angles, center, 1 / scale, np.ones(len(angles))]).astype(np.float32)
