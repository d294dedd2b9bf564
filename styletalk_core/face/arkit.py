"""Conversion of expression coefficients to 52 ARKit blendshapes and 15 Oculus visemes, for driving 3D avatars.

Blendshapes come from a linear map fitted to MediaPipe's scores of the tracked clips. Visemes are the mixture of 15
measured mouth shapes closest to the lower face. Runs on: any thread; pure NumPy.
"""

from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.optimize import nnls

from styletalk_core.face.face_model import LOWER, FaceModel
from styletalk_core.phones import PHONES
from styletalk_core.weights import packaged_weights

Array = NDArray[np.float32]

# fmt: off
ARKIT: Final = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)
"""ARKit names in MediaPipe order; "left" is the person's left. The tracker does not detect the tongue: always 0."""
VISEMES: Final = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
"""Oculus viseme names in Oculus order."""
PHONES_OF_VISEME: Final[dict[str, tuple[str, ...]]] = {
    "sil": ("SIL", "NSN"), "PP": ("P", "B", "M"), "FF": ("F", "V"), "TH": ("TH", "DH"), "DD": ("T", "D"),
    "kk": ("K", "G", "NG", "HH"), "CH": ("CH", "JH", "SH", "ZH"), "SS": ("S", "Z"), "nn": ("N", "L"), "RR": ("R", "ER"),
    "aa": ("AA", "AE", "AH", "AY", "AW"), "E": ("EH", "EY"), "ih": ("IH", "IY", "Y"), "oh": ("AO", "OW", "OY"),
    "ou": ("UW", "UH", "W"),
}
# fmt: on
_MEDIAPIPE_SHAPES: Final = len(ARKIT) - 1
"""Offset into MediaPipe's scores, which start with "_neutral" and have none for the tongue."""
_MAX_GAZE: Final = 0.5
"""Eye rotation in radians at an ARKit value of 1."""


def viseme_of_phones() -> NDArray[np.int64]:
    """Return the (41,) index in `VISEMES` of every phone."""
    index = {phone: VISEMES.index(name) for name, phones in PHONES_OF_VISEME.items() for phone in phones}
    return np.array([index[phone] for phone in PHONES])


class FaceDriver:
    """Maps expression coefficients to ARKit blendshapes and Oculus visemes.

    Args:
        model: face model; the packaged one by default.
        visemes: file of viseme shapes; the packaged one by default.
    """

    def __init__(self, model: FaceModel | None = None, visemes: Path | None = None) -> None:
        self._model = model or FaceModel.load()
        self._file = visemes or packaged_weights("visemes.safetensors")

    def blendshapes(self, coefficients: Array, gaze: Array | None = None, blink: Array | None = None) -> Array:
        """Return the ARKit blendshapes of expressions.

        Args:
            coefficients: (T, 64).
            gaze: (T, 2) eye yaw and pitch in radians, towards the image's right and down; straight ahead if None.
            blink: (T,) eyelid closure in addition to the expression, 0 to 1.

        Returns:
            (T, 52) float32 in 0..1, in the order of `ARKIT`; a neutral face is all 0.
        """
        values = np.zeros((len(coefficients), len(ARKIT)), np.float32)
        rest = self._model.rest_scores[1:]
        values[:, :_MEDIAPIPE_SHAPES] = (coefficients @ self._model.to_scores[:, 1:]) / (1 - np.minimum(rest, 0.9))
        look = np.zeros((len(coefficients), 2), np.float32) if gaze is None else gaze / _MAX_GAZE
        right, down = look[:, 0], look[:, 1]
        # The person's left eye is on the image's right; looking there rotates it outwards.
        for name, amount in (("Down", down), ("Up", -down)):
            self._set(values, f"eyeLook{name}Left", amount)
            self._set(values, f"eyeLook{name}Right", amount)
        for name, amount in (("OutLeft", right), ("InLeft", -right), ("InRight", right), ("OutRight", -right)):
            self._set(values, f"eyeLook{name}", amount)
        if blink is not None:
            for side in ("Left", "Right"):
                column = values[:, ARKIT.index(f"eyeBlink{side}")]
                self._set(values, f"eyeBlink{side}", np.maximum(column, blink))
        return np.clip(values, 0, 1)

    def visemes(self, coefficients: Array) -> Array:
        """Return the Oculus viseme weights of expressions.

        Args:
            coefficients: (T, 64); only the lower face is used.

        Returns:
            (T, 15) float32 in 0..1, in the order of `VISEMES`; rows sum to 1, a closed mouth at rest is "sil".
        """
        weights = np.zeros((len(coefficients), len(VISEMES)), np.float32)
        for row, lower in zip(weights, coefficients[:, :LOWER].astype(np.float64), strict=True):
            row[1:] = nnls(self._shapes[1:].T, lower)[0]
        total = weights.sum(axis=1, keepdims=True)
        weights /= np.maximum(total, 1)
        weights[:, 0] = np.maximum(1 - total[:, 0], 0)
        return weights

    @cached_property
    def _shapes(self) -> NDArray[np.float64]:
        """Lower-face coefficients of every viseme, (15, 13); those of "sil" are 0."""
        return load_file(self._file)["shapes"].astype(np.float64)

    @staticmethod
    def _set(values: Array, name: str, amount: Array) -> None:
        values[:, ARKIT.index(name)] = amount
