"""Folds of the skin that an expression makes: displacement and shading of the whole face, learned from video.

A smile lifts the cheeks and deepens the folds beside the nose, an angry face knits the brows; the tracked mesh shows
little of it. Every expression is a sum of a few fields at the vertices of the mesh. They displace the sampling
positions and multiply the brightness, so that pores stay, and vanish at the photo's own expression, at the eyes, the
lips and the outline of the face. The brightness of hair, a beard or glasses over the skin does not change.
Trained by `styletalk train folds`. Runs on: worker thread; built once per portrait.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numba
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from styletalk_core.errors import CheckpointError
from styletalk_core.rendering.arrays import Float, Image, Index
from styletalk_core.rendering.face_mesh import MESH, eye_distance_px
from styletalk_core.weights import packaged_weights

FORMAT: Final = "styletalk-live/folds-1"
VALUES: Final = 3
"""Number of values of a field at a vertex: displacement x, y, then the logarithm of the gain."""
MAX_DISPLACEMENT: Final = 0.05
"""Limit of the displacement along each axis, in inter-ocular distances."""
MAX_GAIN: Final = 0.2
"""Limit of the logarithm of the gain."""

_PATCH: Final = 0.03
"""Radius around a vertex within which its colour is measured, in inter-ocular distances."""
_SKIN: Final = (1, 4, 5, 50, 280, 205, 425, 101, 330, 118, 347)
"""Landmarks on the nose and the cheeks, whose colour is the skin's."""
_LIGHT, _HUE = 0.35, 14.0
"""Deviations from the skin's colour that count 1: of the logarithm of its lightness, and of its CIE a* and b*."""
_DARK: Final = 10.0
"""Lightness, of 255, below which differences count less."""
_COVERED: Final = (0.8, 1.6)
"""Deviations at which shading begins to fade and at which it is gone."""

_compiled = numba.njit(nogil=True, cache=True, fastmath=True)


@dataclass(frozen=True, slots=True)
class FoldWeights:
    """Trained fields.

    Attributes:
        read: (K, 468, 3) weight of each field per canonical displacement of the landmarks.
        fields: (K, 468, 3) fields; see `VALUES`. Displacements are in inter-ocular distances.
    """

    read: Float
    fields: Float

    def save(self, card: dict[str, object], path: Path) -> None:
        """Writes a file for `load`."""
        # The file holds the bytes of an array in memory, whatever its order.
        tensors: dict[str, NDArray[Any]] = {"read": np.ascontiguousarray(self.read, np.float32)}
        tensors["fields"] = np.ascontiguousarray(self.fields, np.float16)
        save_file(tensors, path, metadata={"format": FORMAT, "card": json.dumps(card)})


NO_FOLDS: Final = FoldWeights(*np.zeros((2, 1, MESH, VALUES), np.float32))
"""Fields that change nothing."""


@cache
def load(path: Path | None = None) -> FoldWeights:
    """Reads fields, by default the packaged ones.

    Raises:
        CheckpointError: the file is damaged or of another kind.
    """
    path = path or packaged_weights("folds.safetensors")
    try:
        with safe_open(path, framework="np") as file:
            if (file.metadata() or {}).get("format") != FORMAT:
                raise CheckpointError(f"{path} is not a file of skin folds")
            read, fields = (np.asarray(file.get_tensor(name), np.float32) for name in ("read", "fields"))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    if read.shape != fields.shape or read.shape[1:] != (MESH, VALUES):
        raise CheckpointError(f"{path} has fields of shape {fields.shape} read by {read.shape}")
    return FoldWeights(read, fields)


class SkinFolds:
    """The folds of one portrait.

    Attributes:
        vertices: (N,) int32, the vertices that they change.
    """

    def __init__(self, weights: FoldWeights, image: Image, points: Float, to_texture: Float, own: Float) -> None:
        """Fits the fields to a portrait.

        Args:
            weights: trained fields.
            image: (T, T, >=3) the texture.
            points: (>=468, 2) landmarks in the texture, px.
            to_texture: (2, 2) map from canonical displacements x, y to px of the texture.
            own: (478, 3) canonical displacements of the photo from the face at rest.
        """
        fields = weights.fields.copy()
        fields[..., 2] *= bare_skin(image, points)
        self.vertices: Index = np.flatnonzero(np.abs(fields).max(axis=(0, 2)) > 0).astype(np.int32)
        self._read = np.ascontiguousarray(weights.read.reshape(len(fields), -1), np.float32)
        self._fields = np.ascontiguousarray(fields[:, self.vertices].reshape(len(fields), -1), np.float32)
        self._to_texture = np.ascontiguousarray(to_texture, np.float32)
        self._at_own = self._read @ np.ascontiguousarray(own[:MESH], np.float32).ravel()

    def add(self, offsets: Float, source: Float, gains: Float) -> None:
        """Adds the folds of an expression to a textured mesh.

        Args:
            offsets: (478, 3) canonical displacements from the portrait at rest.
            source: (V, 2) float32 positions in the texture, px; changed.
            gains: (V, 3) float32 gains of R, G, B; changed.
        """
        _add(offsets, self._read, self._at_own, self._fields, self._to_texture, self.vertices, source, gains)


def bare_skin(image: Image, points: Float) -> Float:
    """Return whether the skin is seen at each vertex (468,): 1 bare .. 0 covered by hair, a beard or glasses."""
    radius = max(1, round(_PATCH * eye_distance_px(points)))
    lab = cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2LAB)
    mean = cv2.blur(lab, (2 * radius + 1,) * 2)
    x, y = points[:MESH, :2].round().astype(int).clip(0, len(image) - 1).T
    seen = mean[y, x].astype(np.float32)
    skin = np.median(seen[list(_SKIN)], axis=0)
    light = np.abs(np.log((seen[:, 0] + _DARK) / (skin[0] + _DARK))) / _LIGHT
    deviation = np.hypot(light, np.linalg.norm(seen[:, 1:] - skin[1:], axis=1) / _HUE)
    low, high = _COVERED
    bare = np.clip((high - deviation) / (high - low), 0, 1)
    return np.asarray(bare * bare * (3 - 2 * bare), np.float32)


@_compiled
def _limited(value: Any, limit: float) -> Any:
    share = value / np.float32(limit)
    return value / np.sqrt(np.float32(1) + share * share)


@_compiled
def _add(
    offsets: Any, read: Any, at_own: Any, fields: Any, to_texture: Any, vertices: Any, source: Any, gains: Any
) -> None:
    """See `SkinFolds.add`."""
    total = np.zeros(fields.shape[1], np.float32)
    moved = offsets.ravel()
    for k in range(len(read)):
        weight = -at_own[k]
        for axis in range(read.shape[1]):
            weight += read[k, axis] * moved[axis]
        for column in range(len(total)):
            total[column] += weight * fields[k, column]
    for k in range(len(vertices)):
        vertex = vertices[k]
        x, y = _limited(total[3 * k], MAX_DISPLACEMENT), _limited(total[3 * k + 1], MAX_DISPLACEMENT)
        gain = np.exp(_limited(total[3 * k + 2], MAX_GAIN))
        for axis in range(2):
            source[vertex, axis] += x * to_texture[0, axis] + y * to_texture[1, axis]
        for channel in range(3):
            gains[vertex, channel] *= gain
