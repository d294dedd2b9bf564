"""Weights of the retouching network as arrays, and its portrait branch in NumPy.

`retouch_network.RetouchNetwork` is the trainable PyTorch version; portraits need only this module.
Runs on: any thread; pure except for `load`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from safetensors import SafetensorError, safe_open

from styletalk_core.errors import CheckpointError
from styletalk_core.face.landmarks import LIPS
from styletalk_core.models.weight_file import check_tensors
from styletalk_core.rendering.arrays import Float
from styletalk_core.weights import packaged_weights

FORMAT: Final = "styletalk-live/mouth-1"
CROP: Final = 64
"""Side of the network's mouth image, px."""
# fmt: off
POINTS: Final = tuple(sorted({
    *LIPS,
    152, 175, 199, 200, 148, 377, 171, 396, 18, 83, 313, 43, 273, 202, 422, 204, 424, 194, 418,  # chin
    1, 2, 164, 50, 280, 205, 425, 36, 266, 203, 423, 206, 426, 92, 322,  # nose and cheeks
    216, 436, 212, 432, 214, 434, 57, 287,  # around the mouth
}))
# fmt: on
"""Landmarks whose motion describes the mouth."""
MAX_DISPLACEMENT: Final = 0.12
"""Maximum displacement, in half sides of the crop."""
GAIN: Final = 0.8
"""Maximum logarithm of a gain."""
SLOPE: Final = 0.1
"""Negative slope of the leaky ReLUs."""
_FADE: Final = 0.25
"""Width of the fade at the border of the crop, as a fraction of the half side."""


@dataclass(frozen=True, slots=True)
class RetouchDimensions:
    """Dimensions, stored in the weight file."""

    bases: int = 16
    grid: int = 16
    hidden: int = 64
    channels: tuple[int, int, int] = (24, 40, 64)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the tensor shapes of a network of these dimensions."""
        first, second, third = self.channels
        flat = 2 * len(POINTS)
        layers = {
            "down_1": (first, 3, 5, 5),
            "down_2": (second, first, 3, 3),
            "down_3": (third, second, 3, 3),
            "person": (third, 2 * flat),
            "middle": (third, third, 3, 3),
            "up": (second, third + second, 3, 3),
            "skin": (5 * self.bases, second, 3, 3),
            "motion": (self.hidden, flat + 3),
            "motion_hidden": (self.hidden, self.hidden),
        }
        shapes = {f"{name}.weight": shape for name, shape in layers.items()}
        shapes |= {f"{name}.bias": shape[:1] for name, shape in layers.items()}
        lone = {"motion_person.weight": (self.hidden, 2 * flat), "weights.weight": (self.bases, self.hidden)}
        return shapes | lone | {"reach": ()}

    def fade(self) -> Float:
        """Window (G, G) multiplied with the fields: 0 at the border, 1 inside."""
        ramp = np.clip((1 - np.abs(np.linspace(-1, 1, self.grid))) / _FADE, 0, 1)
        ramp = ramp * ramp * (3 - 2 * ramp)
        return (ramp[:, None] * ramp).astype(np.float32)


@dataclass(frozen=True, slots=True)
class RetouchWeights:
    """Trained network: dimensions, and tensors by their names in `state_dict`."""

    dimensions: RetouchDimensions
    tensors: Mapping[str, Float]

    def bases(self, mouth: Float, person: Float) -> Float:
        """Computes `RetouchNetwork.bases` for one portrait.

        Args:
            mouth: (3, 64, 64) the photographed mouth, 0..1.
            person: (P,) of `retouch.person_features`.

        Returns:
            (K, 5, G, G) basis fields.
        """
        wide = _rectified(self._convolved("down_1", mouth - np.float32(0.5), stride=2))
        half = _rectified(self._convolved("down_2", wide, stride=2))
        deep = _rectified(self._convolved("down_3", half, stride=2))
        told = _rectified(self.tensors["person.weight"] @ person + self.tensors["person.bias"])
        deep = _rectified(self._convolved("middle", deep + told[:, None, None]))
        both = np.concatenate([_doubled(deep), half])
        fields = self._convolved("skin", _rectified(self._convolved("up", both)))
        d = self.dimensions
        return np.asarray(fields.reshape(d.bases, 5, d.grid, d.grid) * d.fade(), np.float32)

    def _convolved(self, name: str, x: Float, stride: int = 1) -> Float:
        """A convolution (C, H, W) -> (C', H / stride, W / stride), zero padded."""
        kernel, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        side = kernel.shape[-1]
        padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2))
        windows = sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::stride, ::stride]
        return np.asarray(np.tensordot(kernel, windows, ((1, 2, 3), (0, 3, 4))) + bias[:, None, None], np.float32)


def _rectified(x: Float) -> Float:
    return np.where(x > 0, x, np.float32(SLOPE) * x)


def _doubled(x: Float) -> Float:
    """Bilinear upsampling, (C, H, W) to (C, 2 H, 2 W), between pixel centres."""
    for axis in (1, 2):
        before, after = (np.take(x, _neighbours(x.shape[axis], step), axis) for step in (-1, 1))
        pair = np.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis + 1)
        shape = list(x.shape)
        shape[axis] *= 2
        x = pair.reshape(shape)
    return np.asarray(x, np.float32)


def _neighbours(count: int, step: int) -> np.ndarray:
    return np.clip(np.arange(count) + step, 0, count - 1)


@cache
def load(path: Path | None = None) -> RetouchWeights:
    """Reads weights, by default the packaged ones.

    Raises:
        CheckpointError: the file is damaged or of another kind.
    """
    path = path or packaged_weights("mouth.safetensors")
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            tensors = {name: np.asarray(file.get_tensor(name), np.float32) for name in file.keys()}  # noqa: SIM118
        stored = json.loads(header["dimensions"]) if header.get("format") == FORMAT else None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    if stored is None:
        raise CheckpointError(f"{path} is not a mouth weight file: its format is {header.get('format')!r}")
    dimensions = RetouchDimensions(**{**stored, "channels": tuple(stored["channels"])})
    check_tensors({name: value.shape for name, value in tensors.items()}, dimensions.shapes(), str(path))
    return RetouchWeights(dimensions, tensors)
