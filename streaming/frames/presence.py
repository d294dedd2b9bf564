"""Presence: where a face looks, and how it is there while it does not speak.

Pure. Applied to idle motion; changes fade in, so that the head never jumps.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_YAW: Final = 0.5
"""Largest yaw of `Presence.look_at` in rad."""
MAX_PITCH: Final = 0.3
"""Largest pitch of `Presence.look_at` in rad."""
HEAD_SHARE: Final = 0.45
"""Part of a look that the head makes; the eyes make the rest."""
FADE: Final = 0.12
"""Share per frame of 1/30 s by which the face approaches what is wanted."""


class Attention(Enum):
    """What the face attends to; the value is its name in messages."""

    SPEAKING = "speaking"
    """Its own speech, and in pauses whoever it speaks to."""
    LISTENING = "listening"
    """Somebody else who speaks: steady gaze, head a little tilted and forward, nods."""
    AWAY = "away"
    """Something else: it looks aside, head lowered."""


@dataclass(frozen=True, slots=True)
class Presence:
    """``look_at`` yaw and pitch in rad, positive to the image's right and down; ``stillness`` 0 lively to 1 still."""

    attention: Attention = Attention.SPEAKING
    look_at: tuple[float, float] = (0.0, 0.0)
    stillness: float = 0.0

    @property
    def look(self) -> NDArray[np.float64]:
        """Yaw and pitch of the look in rad, that of `attention` included."""
        aside = AWAY_LOOK if self.attention is Attention.AWAY else np.zeros(2)
        limit = np.array([MAX_YAW, MAX_PITCH])
        look: NDArray[np.float64] = np.clip(np.array(self.look_at) + aside, -limit, limit)
        return look

    @property
    def nodding(self) -> float:
        """Nods of a listener, relative to those of a face at rest."""
        return LISTENING_NODS if self.attention is Attention.LISTENING else 1.0

    @property
    def posture(self) -> NDArray[np.float64]:
        """Offset of the pose (6,)."""
        return POSTURES[self.attention]


AWAY_LOOK: Final = np.array([0.32, 0.12])
LISTENING_NODS: Final = 3.0
POSTURES: Final = {
    Attention.SPEAKING: np.zeros(6),
    Attention.LISTENING: np.array([0.0, 0.0, 0.035, 0.0, 0.0, 0.03]),
    Attention.AWAY: np.array([0.03, 0.0, -0.02, 0.0, 0.0, -0.02]),
}


NATURAL: Final = Presence()


class PresenceMotion:
    """Fades the motion of one face to what is wanted."""

    def __init__(self) -> None:
        self._look = np.zeros(2)
        self._posture = np.zeros(6)
        self._liveliness = 1.0

    def step(
        self, presence: Presence, pose: NDArray[np.float32], gaze: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return pose (6,) and gaze (2,) of the next frame of 1/30 s, from those of the idle motion."""
        self._look += FADE * (presence.look - self._look)
        self._posture += FADE * (presence.posture - self._posture)
        self._liveliness += FADE * (1 - presence.stillness - self._liveliness)
        pose = (pose * self._liveliness + self._posture).astype(np.float32)
        pose[[1, 0]] += (HEAD_SHARE * self._look).astype(np.float32)
        turned = gaze * self._liveliness + (1 - HEAD_SHARE) * self._look
        return pose, turned.astype(np.float32)
