"""Retouching of a portrait: smooth fields that deform and shade its lips and the surrounding skin.

The fields are defined on the photo, so that creases and shadows move with the skin. They displace the sampling
positions, which keeps the photo sharp, and change its brightness. At the photo's own expression they are zero. The
network that computes them is described in `retouch_network`.
Runs on: worker thread; built once per portrait.
"""

from typing import Any, Final

import cv2
import numba
import numpy as np

from styletalk_core.rendering.arrays import Float, Image, Index
from styletalk_core.rendering.face_mesh import (
    LEFT_EYE_OUTER,
    LOWER_INNER_LIP,
    RIGHT_EYE_OUTER,
    UPPER_INNER_LIP,
    eye_distance_px,
)
from styletalk_core.rendering.raster.sampling import sample
from styletalk_core.rendering.retouch_weights import CROP, GAIN, MAX_DISPLACEMENT, POINTS, RetouchWeights

_SPAN: Final = 1.0
"""Side of the crop in inter-ocular distances."""
_BELOW: Final = 0.06
"""Distance of its centre below that of the mouth, in inter-ocular distances."""
_DETAIL: Final = 4
"""Oversampling of the photo before it is averaged to the network's input size."""
_FEATURE_SCALE: Final = 10.0
_FACE_SCALE, _TURN_SCALE = 3.0, 3.0
_POINTS: Final = np.array(POINTS, np.int32)
_compiled = numba.njit(nogil=True, cache=True, fastmath=True)


class Retouch:
    """The fields of one portrait.

    Attributes:
        to_grid: (2, 3) affine map from texture pixels to positions in the grid of `fields`.
        grid: nodes per side of the grid.
    """

    def __init__(self, weights: RetouchWeights, image: Image, points: Float, face: Float, own: Float) -> None:
        """Computes the basis fields of a portrait.

        Args:
            weights: weights of the trained network.
            image: (T, T, >=3) the texture.
            points: (478, >=2) landmarks in the texture, px.
            face: (478, 3) canonical landmarks with the mouth at rest.
            own: (478, 3) canonical displacements of the photo from `face`.
        """
        from_crop = crop_frame(points, CROP * _DETAIL)
        cut = cv2.warpAffine(
            image[..., :3], from_crop, (CROP * _DETAIL,) * 2,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        seen = cv2.resize(cut, (CROP, CROP), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        person = person_features(face, own)
        bases = weights.bases(seen.transpose(2, 0, 1), person)
        d, tensors = weights.dimensions, weights.tensors
        self.grid, self._reach = d.grid, float(tensors["reach"])
        self._bases = np.ascontiguousarray(bases.transpose(0, 2, 3, 1).reshape(d.bases, -1))
        half = (CROP * _DETAIL - 1) / 2
        self._to_texture = from_crop[:, :2] * half  # half sides of the crop -> px
        to_crop = cv2.invertAffineTransform(from_crop)
        self.to_grid = np.ascontiguousarray(to_crop * ((d.grid - 1) / (2 * half)), np.float32)
        first, second, last = (tensors[f"{name}.weight"].T.copy() for name in ("motion", "motion_hidden", "weights"))
        first_bias = tensors["motion_person.weight"] @ person + tensors["motion.bias"]
        self._layers = first, first_bias, second, tensors["motion_hidden.bias"], last
        self._at_own = _weights(motion_features(own, np.zeros(3, np.float32)), *self._layers)

    def fields(self, offsets: Float, turn: Float) -> Float:
        """Computes the fields at the nodes of a grid over the portrait's mouth.

        Args:
            offsets: (478, 3) canonical displacements from the portrait at rest.
            turn: (3,) rotation of the head, rad.

        Returns:
            (G, G, 5): displacement x, y in px of the texture, then logarithms of the R, G, B gains.
        """
        motion = motion_features(offsets, np.asarray(turn, np.float32))
        return np.asarray(_fields(motion, *self._layers, self._at_own, self._reach, self._bases, self._to_texture))

    def vertices(self, points: Float, chosen: Index, fields: Float) -> tuple[Float, Float]:
        """Applies `fields` to the vertices of a mesh.

        Args:
            points: (V, 2) positions in the texture, px.
            chosen: (N,) int32, vertices to change; they must be within the grid.
            fields: (G, G, 5).

        Returns:
            (V, 2) displaced points and (V, 3) gains of R, G, B.
        """
        moved, gains = points.copy(), np.ones((len(points), 3), np.float32)
        _bend(chosen, fields, self.to_grid, moved, gains)
        return moved, gains


def crop_frame(points: Float, side: int) -> Float:
    """Affine map (2, 3) from a crop of ``side`` px around the mouth to the image of ``points`` (478, >=2) px."""
    eyes = points[LEFT_EYE_OUTER, :2] - points[RIGHT_EYE_OUTER, :2]
    unit, roll = eye_distance_px(points), float(np.arctan2(eyes[1], eyes[0]))
    line = (points[list(UPPER_INNER_LIP), :2] + points[list(LOWER_INNER_LIP), :2]) / 2
    pixel = _SPAN * unit / side
    turned = pixel * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    middle = np.array([side / 2 - 0.5, side / 2 - 0.5 - _BELOW * unit / pixel])
    return np.column_stack([turned, (line[0] + line[-1]) / 2 - turned @ middle]).astype(np.float32)


def person_features(face: Float, own: Float) -> Float:
    """Return the network's person features (P,) of the resting face (478, 3) and the photo's own expression."""
    chosen = list(POINTS)
    return np.concatenate([_FACE_SCALE * face[chosen, :2].ravel(), _FEATURE_SCALE * own[chosen, :2].ravel()]).astype(
        np.float32
    )


@_compiled
def motion_features(offsets: Float, turn: Float) -> Float:
    """Return the network's motion features (M,) of displacements (478, 3) and head rotation (3,)."""
    features = np.empty(2 * len(_POINTS) + 3, np.float32)
    for k in range(len(_POINTS)):
        features[2 * k] = _FEATURE_SCALE * offsets[_POINTS[k], 0]
        features[2 * k + 1] = _FEATURE_SCALE * offsets[_POINTS[k], 1]
    for k in range(3):
        features[2 * len(_POINTS) + k] = _TURN_SCALE * turn[k]
    return features


@_compiled
def _product(x: Any, matrix: Any) -> Any:
    """x (N,) @ matrix (N, M)."""
    result = np.zeros(matrix.shape[1], np.float32)
    for k in range(len(x)):
        for column in range(len(result)):
            result[column] += x[k] * matrix[k, column]
    return result


@_compiled
def _weights(motion: Any, first: Any, first_bias: Any, second: Any, second_bias: Any, last: Any) -> Any:
    """Weights (K,) of the bases for motion (M,)."""
    hidden = np.tanh(_product(motion, first) + first_bias)
    return _product(np.tanh(_product(hidden, second) + second_bias), last)


@_compiled
def _fields(
    motion: Any,
    first: Any,
    first_bias: Any,
    second: Any,
    second_bias: Any,
    last: Any,
    at_own: Any,
    reach: float,
    bases: Any,
    to_texture: Any,
) -> Any:
    """The fields (G, G, 5) for motion (M,); see `Retouch.fields`."""
    weights = _weights(motion, first, first_bias, second, second_bias, last) - at_own
    # Limit weights far beyond those seen in training.
    length = np.float32(0)
    for weight in weights:
        length += weight * weight
    weights /= np.float32(np.sqrt(1 + length / (reach * reach)))
    fields = np.tanh(_product(weights, bases)).reshape((-1, 5))
    for node in fields:
        x, y = np.float32(MAX_DISPLACEMENT) * node[0], np.float32(MAX_DISPLACEMENT) * node[1]
        node[0] = to_texture[0, 0] * x + to_texture[0, 1] * y
        node[1] = to_texture[1, 0] * x + to_texture[1, 1] * y
        for k in range(2, 5):
            node[k] *= np.float32(GAIN)
    side = int(np.sqrt(len(fields)) + 0.5)
    return fields.reshape((side, side, 5))


@_compiled
def _bend(chosen: Any, fields: Any, to_grid: Any, points: Any, gains: Any) -> None:
    """Displaces points (V, 2) and sets their gains (V, 3); see `Retouch.vertices`."""
    value = np.empty(5, np.float32)
    for k in chosen:
        x, y = points[k, 0], points[k, 1]
        across = to_grid[0, 0] * x + to_grid[0, 1] * y + to_grid[0, 2]
        down = to_grid[1, 0] * x + to_grid[1, 1] * y + to_grid[1, 2]
        sample(fields, across, down, value)
        for axis in range(2):
            points[k, axis] += value[axis]
        for channel in range(3):
            gains[k, channel] = np.exp(value[2 + channel])
