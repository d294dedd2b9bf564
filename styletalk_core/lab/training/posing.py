"""Drawn expressions for clips of people who show none: an augmentation of the training on free material.

A posed clip holds an expression throughout, drawn as blendshape scores and mapped to coefficients by the face model,
and moves more or less than it did. The clip that shows a style and the clip to learn are posed alike, so that the
network learns to keep what a style shows. Lips that met still meet.

Runs on: any thread; pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from styletalk_core.face.arkit import ARKIT
from styletalk_core.face.face_model import LOWER, FaceModel
from styletalk_core.lab.training.clips import MotionClip
from styletalk_core.lab.training.lips import LipMap

Array = NDArray[np.float32]

RANGES: Final = {
    "mouthSmile": (-0.4, 0.9),
    "mouthUpperUp": (-0.1, 0.6),
    "mouthStretch": (-0.1, 0.4),
    "mouthShrugLower": (-0.2, 0.3),
    "jawOpen": (-0.05, 0.2),
    "browDown": (-0.2, 0.9),
    "browInnerUp": (-0.2, 1.0),
    "browOuterUp": (-0.2, 1.0),
    "eyeBlink": (-0.7, 0.3),
    "eyeSquint": (-0.5, 0.5),
}
"""Smallest and largest score of each action; both sides move. Below 0 is the opposite movement."""
_ACTIONS: Final = (1, 4)
"""Actions of an expression, fewest and most."""
_ONE_SIDED: Final = 0.15
"""Share of actions that only one side shows."""
_GAIN: Final = (0.6, 2.0)
"""Range of motion of the lips against that of the clip."""
_UPPER_GAIN: Final = (0.7, 4.0)
_OWN_GAIN: Final = 0.3
"""Deviation of the logarithm of each coefficient's own gain: people differ in what they move."""
_HALF_OPEN: Final = 0.5
"""Share of the mean opening above which the lips take the whole opening of the expression."""


@dataclass(frozen=True, slots=True)
class Pose:
    """An expression, `offset` (64,) or (T, 64), and `gain` (64,) of the motion about the clip's mean."""

    offset: Array
    gain: Array


class Posing:
    """Draws poses and applies them."""

    def __init__(self, model: FaceModel, lips: LipMap) -> None:
        self._model, self._lips = model, lips
        opening = self.expression({"jawOpen": 1.0}) * (np.arange(len(lips.gap)) < LOWER)
        self._opens = np.asarray(opening / (opening @ lips.gap), np.float32)

    def expression(self, actions: Mapping[str, float]) -> Array:
        """Return the coefficients (64,) of scores; a name without side stands for both."""
        scores = np.zeros(len(self._model.from_scores), np.float32)
        for index, name in enumerate(ARKIT[:-1], start=1):
            scores[index] = actions.get(name, actions.get(name.removesuffix("Left").removesuffix("Right"), 0.0))
        return np.asarray(scores @ self._model.from_scores, np.float32)

    def draw(self, random: Generator) -> Pose:
        """Draws a pose."""
        actions = dict[str, float]()
        for action in random.choice(list(RANGES), size=random.integers(*_ACTIONS, endpoint=True), replace=False):
            side = random.choice(("Left", "Right")) if random.random() < _ONE_SIDED else ""
            actions[action if action in ARKIT else action + side] = random.uniform(*RANGES[action])
        offset = self.expression(actions)
        gain = np.exp(_OWN_GAIN * random.standard_normal(len(offset)))
        gain[:LOWER] *= np.exp(random.uniform(*np.log(_GAIN)))
        gain[LOWER:] *= np.exp(random.uniform(*np.log(_UPPER_GAIN)))
        return Pose(offset, gain.astype(np.float32))

    def apply(self, motion: Array, pose: Pose) -> Array:
        """Return motion (T, 64) in a pose; frames in which the lips met still have them closed."""
        mean = motion.mean(axis=0)
        posed = mean + (motion - mean) * pose.gain + pose.offset
        opening = self._lips.opening(motion)
        usual = max(float(opening.mean()), 1e-3)
        share = np.clip(opening / (_HALF_OPEN * usual), 0, 1)
        scale = self._lips.opening(posed).std() / (opening.std() + 1e-3)
        wanted = scale * opening + share * np.maximum(self._lips.opening(pose.offset), 0.0)
        return np.asarray(posed + (wanted - self._lips.opening(posed))[:, None] * self._opens, np.float32)


def posed_copies(clips: Sequence[MotionClip], posing: Posing, count: int, seed: int) -> list[MotionClip]:
    """Return silent copies of random clips, each in a pose of its own: more styles to speak in."""
    random = np.random.default_rng(seed)
    chosen = [clips[index] for index in random.integers(len(clips), size=count)]
    return [
        replace(
            clip,
            name=f"{clip.name} posed {number}",
            style="",
            coefficients=posing.apply(clip.coefficients, posing.draw(random)),
            phones=None,
            aligned=None,
        )
        for number, clip in enumerate(chosen)
    ]
