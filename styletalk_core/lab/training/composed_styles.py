"""Styles of the free weights, composed of the speech of one person who shows no expression and of drawn expressions.

No freely licensed clip shows an emotion. Each recipe names the facial actions of its emotion, as the Facial Action
Coding System describes them, in blendshape scores (AU1 browInnerUp, AU2 browOuterUp, AU4 browDown, AU5 eyeBlink below
0, AU6 and AU7 eyeSquint, AU10 mouthUpperUp, AU12 mouthSmile, AU15 mouthSmile below 0, AU20 mouthStretch, AU26 jawOpen),
and how far lips, upper face and head move against the clips. `posing` turns them into motion.

Runs on: any thread; pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.face_model import COEFFICIENTS, LOWER
from styletalk_core.lab.training.posing import Pose, Posing
from styletalk_core.library.styles import Style
from styletalk_core.phones import FPS

Array = NDArray[np.float32]

_PERIODS: Final = (2.3, 3.7)
"""Periods in which an expression grows and fades, s; they hardly ever meet."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A style: its expression, and how it moves against the clips."""

    actions: Mapping[str, float] = field(default_factory=dict)
    """Blendshape scores; a name without side stands for both sides."""
    lips: float = 1.0
    brows: float = 1.0
    """Gain of the upper face."""
    head: float = 1.0
    """Gain of the head's motion."""
    swell: float = 0.15
    """Share by which the expression grows and fades."""
    posture: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Pitch (chin down), yaw and roll of the head, rad."""


RECIPES: Final[dict[str, Recipe]] = {
    "conversational": Recipe({"mouthSmile": 0.18, "browInnerUp": 0.1}, lips=1.2, brows=1.6, head=1.3, swell=0.5),
    "neutral": Recipe(),
    "happy": Recipe({"mouthSmile": 0.75, "eyeSquint": 0.2, "mouthUpperUp": 0.1}, lips=1.15, brows=1.3, head=1.2),
    "sad": Recipe(
        {"browInnerUp": 0.9, "browDown": 0.15, "browOuterUp": -0.2, "mouthSmile": -0.3, "eyeBlink": 0.12},
        lips=0.8,
        posture=(0.06, 0.0, 0.02),
    ),
    "angry": Recipe(
        {"browDown": 0.9, "browInnerUp": -0.1, "eyeSquint": 0.15, "mouthSmile": -0.2, "mouthUpperUp": 0.15},
        lips=1.3,
        head=1.2,
        posture=(0.04, 0.0, 0.0),
    ),
    "surprised": Recipe(
        {"browInnerUp": 0.8, "browOuterUp": 0.75, "eyeBlink": -0.5, "jawOpen": 0.12},
        lips=1.2,
        posture=(-0.04, 0.0, 0.0),
    ),
    "fearful": Recipe(
        {"browInnerUp": 0.9, "browOuterUp": 0.3, "browDown": 0.3, "eyeBlink": -0.5, "mouthStretch": 0.35},
        posture=(-0.03, 0.0, 0.0),
    ),
    "disgusted": Recipe(
        {"mouthUpperUp": 0.8, "browDown": 0.75, "eyeSquint": 0.5, "mouthSmile": -0.25}, posture=(-0.03, 0.0, 0.02)
    ),
    "contemptuous": Recipe(
        {"mouthSmileLeft": 0.9, "browOuterUpRight": 0.3, "eyeBlink": 0.12}, lips=0.9, posture=(-0.05, 0.0, 0.03)
    ),
    "newsreader": Recipe({"browInnerUp": 0.1}, lips=1.25, head=0.7, swell=0.5),
    "animated": Recipe(
        {"mouthSmile": 0.3, "browInnerUp": 0.3, "browOuterUp": 0.4}, lips=1.6, brows=1.3, head=1.8, swell=0.8
    ),
    "whispered": Recipe({"browInnerUp": 0.15}, lips=0.75, head=0.8),
}
"""The styles by name."""


def composed(style: Style, recipe: Recipe, posing: Posing) -> Style:
    """Return a style of speech without expression as a recipe makes it."""
    gain = np.full(COEFFICIENTS, recipe.brows, np.float32)
    gain[:LOWER] = recipe.lips
    expression = _swelling(style.frames_used, recipe.swell)[:, None] * posing.expression(recipe.actions)
    coefficients = posing.apply(style.coefficients, Pose(expression, gain))
    posture = np.zeros_like(style.posture)
    posture[:3] = recipe.posture
    source = style.source + (", with a drawn expression" if recipe.actions else "")
    pose = style.pose * np.float32(recipe.head)
    return replace(style, coefficients=coefficients, pose=pose, posture=posture, source=source).with_energy()


def _swelling(frames: int, share: float) -> Array:
    """Strength (T,) of an expression over time, 1 on average."""
    time = np.arange(frames) / FPS
    waves = np.mean([np.sin(2 * np.pi * time / period) for period in _PERIODS], axis=0)
    return np.asarray(1 + share * waves, np.float32)
