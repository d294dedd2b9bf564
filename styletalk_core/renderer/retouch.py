"""A portrait's own retouching: smooth fields that bend and shade its lips and the skin around them.

They lie over the photo, so that a crease or a shadow goes where the skin goes; they displace where the photo is
sampled, which keeps it sharp, and lighten or darken it. At the photo's own expression they are zero. The network behind
them is described in `retouch_network`.
Runs on: worker thread; built once per portrait.
"""

from typing import Final

import cv2
import numba
import numpy as np
import torch

from styletalk_core.renderer.arrays import Float, Image
from styletalk_core.renderer.face_mesh import (
    LEFT_EYE_OUTER,
    LOWER_INNER_LIP,
    RIGHT_EYE_OUTER,
    UPPER_INNER_LIP,
    interocular,
)
from styletalk_core.renderer.retouch_network import CROP, FARTHEST, GAIN, POINTS, RetouchNetwork

_SPAN: Final = 1.0
"""Side of the crop in inter-ocular distances."""
_BELOW: Final = 0.06
"""How far its middle lies below that of the mouth, inter-ocular distances."""
_DETAIL: Final = 4
"""How many times finer the photo is sampled before it is averaged down to what the network sees."""
_AROUND: Final = 0.15
"""Share of the crop's side by which landmarks may lie beside it that tell where it lies in a picture."""
_FEATURE_SCALE: Final = 10.0
_FACE_SCALE, _TURN_SCALE = 3.0, 3.0


class Retouch:
    """The fields of one portrait.

    Attributes:
        to_grid: (2, 3) affine map from the texture's pixels to places in the grid of `fields`.
    """

    def __init__(self, network: RetouchNetwork, picture: Image, points: Float, face: Float, own: Float) -> None:
        """Looks at a portrait.

        Args:
            network: the trained one.
            picture: (T, T, >=3) the texture.
            points: (478, >=2) landmarks in it, px.
            face: (478, 3) canonical landmarks with the mouth at rest.
            own: (478, 3) canonical displacements of the photo from `face`.
        """
        from_crop = crop_frame(points, CROP * _DETAIL)
        cut = cv2.warpAffine(
            picture[..., :3], from_crop, (CROP * _DETAIL,) * 2,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        seen = cv2.resize(cut, (CROP, CROP), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        person = person_features(face, own)[None]
        with torch.inference_mode():
            mouth = torch.from_numpy(seen.transpose(2, 0, 1).copy())[None]
            bases = network.bases(mouth, torch.from_numpy(person))
        d = network.dimensions
        self._shape, self._reach = (d.grid, d.grid, 5), float(network.reach)
        self._bases = np.ascontiguousarray(bases[0].permute(0, 2, 3, 1).reshape(d.bases, -1).numpy())
        half = (CROP * _DETAIL - 1) / 2
        self._to_texture = from_crop[:, :2] * half  # half sides of the crop -> px
        to_crop = cv2.invertAffineTransform(from_crop)
        self.to_grid = np.ascontiguousarray(to_crop * ((d.grid - 1) / (2 * half)), np.float32)
        place = points[:, :2] @ self.to_grid[:, :2].T + self.to_grid[:, 2]
        share = place / (d.grid - 1)
        self._landmarks = np.flatnonzero(((share > -_AROUND) & (share < 1 + _AROUND)).all(axis=1))
        layers = (network.motion, network.motion_hidden, network.weights)
        self._first, self._second, self._last = (layer.weight.detach().numpy().T.copy() for layer in layers)
        self._second_bias = network.motion_hidden.bias.detach().numpy()
        with torch.inference_mode():
            of_person = network.motion_person(torch.from_numpy(person))[0] + network.motion.bias
        self._first_bias = of_person.numpy()
        self._at_own = self._weights(motion_features(own, np.zeros(3, np.float32)))

    def fields(self, offsets: Float, turn: Float) -> Float:
        """The fields at the nodes of a grid over the portrait's mouth.

        Args:
            offsets: (478, 3) canonical displacements from the portrait at rest.
            turn: (3,) of the head [rad].

        Returns:
            (G, G, 5): displacement x, y [px of the texture], then logarithms of the gain of R, G, B.
        """
        weights = self._weights(motion_features(offsets, turn)) - self._at_own
        # What goes far beyond anything seen in training is held back.
        weights /= np.sqrt(1 + (weights @ weights) / self._reach**2)
        fields = np.tanh(weights @ self._bases).reshape(self._shape)
        fields[..., :2] = (FARTHEST * fields[..., :2]) @ self._to_texture.T
        fields[..., 2:] *= GAIN
        return np.asarray(fields, np.float32)

    def window(self, vertices: Float, size: int) -> tuple[slice, slice]:
        """Rows and columns of a picture of ``size`` where it is retouched; ``vertices`` (>=478, 2) px lie in it."""
        points = vertices[self._landmarks]
        low = np.clip(np.floor(points.min(axis=0)).astype(int), 0, size)
        high = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, low, size)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def _weights(self, motion: Float) -> Float:
        hidden = np.tanh(motion @ self._first + self._first_bias)
        return np.asarray(np.tanh(hidden @ self._second + self._second_bias) @ self._last, np.float32)


def crop_frame(points: Float, side: int) -> Float:
    """(2, 3) affine map from a crop of ``side`` px around the mouth to the picture of ``points`` (478, >=2) px."""
    eyes = points[LEFT_EYE_OUTER, :2] - points[RIGHT_EYE_OUTER, :2]
    unit, roll = interocular(points), float(np.arctan2(eyes[1], eyes[0]))
    line = (points[list(UPPER_INNER_LIP), :2] + points[list(LOWER_INNER_LIP), :2]) / 2
    pixel = _SPAN * unit / side
    turned = pixel * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    middle = np.array([side / 2 - 0.5, side / 2 - 0.5 - _BELOW * unit / pixel])
    return np.column_stack([turned, (line[0] + line[-1]) / 2 - turned @ middle]).astype(np.float32)


def person_features(face: Float, own: Float) -> Float:
    """What the network is told of a person: (P,) of the resting face (478, 3) and the photo's own expression."""
    chosen = list(POINTS)
    return np.concatenate([_FACE_SCALE * face[chosen, :2].ravel(), _FEATURE_SCALE * own[chosen, :2].ravel()]).astype(
        np.float32
    )


def motion_features(offsets: Float, turn: Float) -> Float:
    """What the network is told of a frame: (M,) of displacements (478, 3) and a turn of the head (3,)."""
    return np.concatenate([_FEATURE_SCALE * offsets[list(POINTS), :2].ravel(), _TURN_SCALE * turn]).astype(np.float32)


@numba.njit(
    numba.void(
        numba.float32[:, :], numba.float32[:, :], numba.float32[:, ::1], numba.float32[:, :, ::1],
        numba.float32[:, :, ::1],
    ),
    cache=True, fastmath=True, nogil=True,
)  # fmt: skip
def displace(map_x: Float, map_y: Float, to_grid: Float, fields: Float, gain: Float) -> None:
    """Adds a displacement to a part of a backward map (h, w), and writes the gain (h, w, 3) of what it shows.

    Args:
        map_x, map_y: places in the texture, px.
        to_grid: (2, 3) affine map from there to the grid.
        fields: (G, G, 5) of `Retouch.fields`.
        gain: is overwritten.
    """
    last = np.float32(fields.shape[0] - 1)
    value = np.empty(5, np.float32)
    for row in range(map_x.shape[0]):
        for column in range(map_x.shape[1]):
            x = to_grid[0, 0] * map_x[row, column] + to_grid[0, 1] * map_y[row, column] + to_grid[0, 2]
            y = to_grid[1, 0] * map_x[row, column] + to_grid[1, 1] * map_y[row, column] + to_grid[1, 2]
            if x < 0 or y < 0 or x >= last or y >= last:
                gain[row, column, :] = 1
                continue
            left, top = int(x), int(y)
            u, v = x - left, y - top
            for k in range(5):
                above = fields[top, left, k] + u * (fields[top, left + 1, k] - fields[top, left, k])
                below = fields[top + 1, left, k] + u * (fields[top + 1, left + 1, k] - fields[top + 1, left, k])
                value[k] = above + v * (below - above)
            map_x[row, column] += value[0]
            map_y[row, column] += value[1]
            for k in range(3):
                gain[row, column, k] = np.exp(value[2 + k])


@numba.njit(
    numba.void(numba.uint8[:, :, :], numba.float32[:, :, ::1]), cache=True, fastmath=True, nogil=True
)  # fmt: skip
def shade(picture: Image, gain: Float) -> None:
    """Multiplies the colours of a picture (h, w, >=3) by ``gain`` (h, w, 3), rounded."""
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            for k in range(3):
                picture[row, column, k] = np.uint8(min(picture[row, column, k] * gain[row, column, k] + 0.5, 255.0))
