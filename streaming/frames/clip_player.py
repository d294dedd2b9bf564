"""Endless playback of a short recorded motion, joined where it fits the speech.

Motion matching as in computer animation (Clavet 2016): the clip plays on, and from time to time jumps to the frame
that continues the present pose best and was recorded under a speech energy like that of the last half second. What
is left of a jump decays as a critically damped spring, so that neither position nor speed ever jumps.

Pure: seeded, advanced one frame at a time, never reads a clock; about 30 µs a frame.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.engine import MotionDatabase

Float = NDArray[np.float32]

MIN_RUN_FRAMES: Final = 24
"""Frames that are played at least between two jumps, where the clip is long enough."""
MAX_RUN_FRAMES: Final = 90
CHECK_FRAMES: Final = 8
"""Frames between two searches for a better continuation."""
BETTER: Final = 0.6
"""Share of the present cost that a better continuation has at most."""
HALF_LIFE_FRAMES: Final = 4.0
"""Frames in which half of a jump's difference is gone, at least."""
_NEAR_FRAMES: Final = 12
"""Frames around the present one to which no jump leads."""
_HEAT: Final = 6.0
"""Cost of a frame that has just been played; fades with every jump."""
_HEAT_KEPT: Final = 0.75
_NOISE: Final = 0.5
_MIN_GAIN: Final = 0.1
POSE: Final = 6
_SIDES: Final = (1, 2, 3)
"""Columns of the pose that change their sign in a mirror: yaw, roll, shift to the right."""


class ClipPlayer:
    """Player of the clips of a style, (D,) values a frame: a pose (6,), then coefficients."""

    def __init__(self, random: np.random.Generator, columns: int) -> None:
        self._random = random
        self._clip: MotionDatabase | None = None
        self._place = 0.0
        self._run = 0
        self._gain = 1.0
        self._side = np.ones(columns, np.float32)
        self._heat = np.zeros(0, np.float32)
        self._shown, self._speed = np.zeros(columns, np.float32), np.zeros(columns, np.float32)
        self._left_over, self._left_over_speed = np.zeros(columns, np.float32), np.zeros(columns, np.float32)
        self._damping = _damping(HALF_LIFE_FRAMES)

    def switch(self, clip: MotionDatabase, fade_frames: float, speech: Float) -> None:
        """Continues with another clip; the present pose fades into it over about ``fade_frames``."""
        self._clip, self._heat = clip, np.zeros(len(clip.motion), np.float32)
        self._place, self._run = -float(_NEAR_FRAMES), 0
        self._jump(clip, speech, max(HALF_LIFE_FRAMES, fade_frames / 4))

    def step(self, gain: float, rate: float, speech: Float) -> Float:
        """Return the next frame (D,).

        Args:
            gain: amplitude; 1 as recorded.
            rate: frames of the clip per frame shown.
            speech: (4,) energy of the speech, see `MotionDatabase.key`.
        """
        clip = self._clip
        if clip is None:
            return self._shown
        self._gain += 0.1 * (gain - self._gain)
        self._run += 1
        if clip.left[int(self._place)] <= rate + 1 or self._should_jump(clip, speech):
            self._jump(clip, speech, HALF_LIFE_FRAMES)
        self._place += rate
        self._decay()
        shown = self._recorded(clip, self._place, self._side) + self._left_over
        self._speed, self._shown = shown - self._shown, shown
        return shown

    def _should_jump(self, clip: MotionDatabase, speech: Float) -> bool:
        if self._run < MIN_RUN_FRAMES or self._run % CHECK_FRAMES:
            return False
        if self._run >= MAX_RUN_FRAMES:
            return True
        costs = self._costs(clip, speech, self._side)
        return bool(costs[self._allowed(clip)].min() < BETTER * costs[int(self._place)])

    def _jump(self, clip: MotionDatabase, speech: Float, half_life: float) -> None:
        """Jumps to the frame that fits best, as recorded or mirrored; the difference is left over."""
        banned = np.where(self._allowed(clip), self._heat, np.float32(np.inf))
        sides = (self._side, self._side * _mirror(len(self._side)))
        costs = np.stack([self._costs(clip, speech, side) + banned for side in sides])
        costs += self._random.uniform(0, _NOISE, costs.shape)
        side, target = np.unravel_index(int(costs.argmin()), costs.shape)
        self._side = sides[int(side)]
        self._heat *= _HEAT_KEPT
        self._heat[max(0, int(target) - _NEAR_FRAMES) : int(target) + MIN_RUN_FRAMES] += _HEAT
        recorded, after = (self._recorded(clip, float(target + ahead), self._side) for ahead in (0, 1))
        self._left_over, self._left_over_speed = self._shown - recorded, self._speed - (after - recorded)
        self._place, self._run, self._damping = float(target), 0, _damping(half_life)

    def _allowed(self, clip: MotionDatabase) -> NDArray[np.bool_]:
        """Return the frames (L,) to which a jump may lead: far enough from the end of their part, and from here."""
        allowed = clip.left >= min(MIN_RUN_FRAMES, int(clip.left.max()) * 2 // 3)
        elsewhere, here = allowed.copy(), int(self._place)
        elsewhere[max(0, here - _NEAR_FRAMES) : max(0, here + _NEAR_FRAMES)] = False
        return elsewhere if elsewhere.any() else allowed

    def _costs(self, clip: MotionDatabase, speech: Float, side: Float) -> Float:
        """Return how badly each frame (L,) of the clip would continue what is shown."""
        scale = side / max(self._gain, _MIN_GAIN)
        now = np.concatenate([scale * self._shown, (scale * self._speed)[:POSE], speech])
        away = clip.key - now * clip.key_scale
        return np.asarray(np.einsum("lk,lk->l", away, away), np.float32)

    def _recorded(self, clip: MotionDatabase, place: float, side: Float) -> Float:
        """Return the clip at a place between two frames, (D,)."""
        before = min(int(place), len(clip.motion) - 2)
        share = np.float32(place - before)
        value = clip.motion[before] + share * (clip.motion[before + 1] - clip.motion[before])
        return np.asarray(np.float32(self._gain) * side * value, np.float32)

    def _decay(self) -> None:
        """Moves what is left of a jump one frame on, exactly as a critically damped spring does."""
        rate = self._damping
        change = self._left_over_speed + self._left_over * rate
        decay = np.float32(np.exp(-rate))
        self._left_over = np.asarray(decay * (self._left_over + change), np.float32)
        self._left_over_speed = np.asarray(decay * (self._left_over_speed - change * rate), np.float32)


def _mirror(columns: int) -> Float:
    """Return the signs (D,) that mirror a frame; coefficients keep theirs."""
    signs = np.ones(columns, np.float32)
    signs[list(_SIDES)] = -1
    return signs


def _damping(half_life: float) -> np.float32:
    """Return the rate of a critically damped spring, per frame."""
    return np.float32(2 * np.log(2) / half_life)
