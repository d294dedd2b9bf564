"""Head and upper face in the manner of a style: plays the motion that its clip shows, in step with the speech.

A blend draws the clip of each stretch by its share. While nobody speaks the motion is slower and smaller, and the
louder the speech, the faster the head moves.

Pure: seeded, advanced one frame at a time, never reads a clock.
"""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.engine import MotionDatabase, StyleMotion
from streaming.frames.clip_player import POSE, ClipPlayer
from streaming.units import FRAME_TICKS, TICK_RATE

Float = NDArray[np.float32]

UPPER: Final = 51
"""Coefficients of the upper face, those after the lower face's."""
_SPEECH_LAGS: Final = (0, 4, 8, 12)
"""Frames before the present one at which the energy of the speech is compared."""
MAX_RATE: Final = 1.4
_QUIET_RATE, _LOUD_RATE = 0.1, 1.5
"""Frames of the clip per frame shown while speaking: without loudness, and per unit of it."""
_SILENT_RATE: Final = 0.45
_SILENT_GAIN: Final = 0.85
_SETTLE: Final = 0.04
"""Share per frame by which liveliness follows the speech: it takes a second."""
_SHARE_FRAMES: Final = 90
"""Frames after which a blend draws the next clip."""
_LIMITS: Final = np.array([0.24, 0.32, 0.24, 0.22, 0.18, 0.7], np.float32)
"""Largest pose: pitch, yaw, roll [rad]; shifts [inter-ocular distances]. What lies beyond half of it is compressed."""
_CHANGE: Final = 0.05
"""Share per frame by which nods and the borrowed part follow a new style."""
_MIN_BORROWING: Final = 0.001
FPS: Final = TICK_RATE // FRAME_TICKS


class SpeechEnergy:
    """Energy of the speech, in deviations from its mean."""

    def __init__(self) -> None:
        self.fast = 0.0
        self._mean = 0.3
        self._spread = 0.2
        self._past = deque([-1.0] * (_SPEECH_LAGS[-1] + 1), maxlen=_SPEECH_LAGS[-1] + 1)

    def step(self, speaking: float, energy: float) -> Float:
        """Return the energy (4,) now and up to 0.4 s ago; ``energy`` 0..1 is that of the frame."""
        self.fast += 0.25 * (energy - self.fast)
        away = self.fast - self._mean
        if speaking > 0:
            self._mean += 0.01 * away
            self._spread += 0.01 * (abs(away) - self._spread)
        self._past.append(float(np.clip(away / (1.25 * self._spread + 0.02), -2, 2)))
        return np.array([self._past[-1 - lag] for lag in _SPEECH_LAGS], np.float32)


class StylePlayer:
    """Head pose and upper face of one session."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._energy = SpeechEnergy()
        self._own = ClipPlayer(random, POSE + UPPER)
        self._borrowed = ClipPlayer(random, POSE)
        self._style: StyleMotion | None = None
        self._wanted: tuple[StyleMotion, float] | None = None
        self._playing: MotionDatabase | None = None
        self._frames = 0
        self._lively = 0.0
        self._borrowing = 0.0
        self._nodding = 1.0
        self._posture, self._fade = np.zeros(POSE, np.float32), np.float32(1)

    @property
    def nodding(self) -> float:
        """Amplitude of nods, 1 for a neutral conversation."""
        return self._nodding

    def follow(self, style: StyleMotion, fade_s: float) -> None:
        """Moves in another manner from the next frame on; the present pose fades into it over ``fade_s`` seconds."""
        self._wanted = style, fade_s * FPS

    def step(self, speaking: float, energy: float) -> tuple[Float, Float]:
        """Return the pose (6,) and the upper face's deviation (51,) of the next frame; see `IdleMotion.step`."""
        speech = self._energy.step(speaking, energy)
        self._lively += _SETTLE * (speaking - self._lively)
        self._choose(speech)
        style = self._style
        if style is None:
            return np.zeros(POSE, np.float32), np.zeros(UPPER, np.float32)
        spoken = min(_QUIET_RATE + _LOUD_RATE * self._energy.fast, MAX_RATE)
        rate = _SILENT_RATE + self._lively * (spoken - _SILENT_RATE)
        gain = (_SILENT_GAIN + (1 - _SILENT_GAIN) * self._lively) * style.gain
        own = self._own.step(gain, rate, speech)
        self._borrowing += _CHANGE * (style.borrowing - self._borrowing)
        self._nodding += _CHANGE * (style.nodding - self._nodding)
        self._posture = self._posture + self._fade * (style.posture - self._posture)
        pose = own[:POSE] + self._posture
        if self._borrowing > _MIN_BORROWING:
            pose += np.float32(self._borrowing) * self._borrowed.step(gain, rate, speech)
        return _limited(pose), own[POSE:]

    def _choose(self, speech: Float) -> None:
        """Follows a new style, or draws the next clip of a blend."""
        self._frames += 1
        if self._wanted is not None:
            style, fade = self._wanted
            self._wanted, self._fade = None, np.float32(1 / max(fade / 2, 4))
            if self._style is None or style.base is not self._style.base:
                self._borrowed.switch(style.base, fade, speech)
            self._style = style
            if not any(self._playing is clip for clip in style.clips):
                self._play(style, fade, speech)
        elif self._style is not None and len(self._style.clips) > 1 and self._frames > _SHARE_FRAMES:
            self._play(self._style, 0.0, speech)

    def _play(self, style: StyleMotion, fade: float, speech: Float) -> None:
        clip = style.clips[int(self._random.choice(len(style.clips), p=np.asarray(style.shares)))]
        self._frames = 0
        if clip is not self._playing:
            self._playing = clip
            self._own.switch(clip, fade, speech)


def _limited(pose: Float) -> Float:
    """Compresses what lies beyond half of the limits."""
    beyond = np.maximum(np.abs(pose) - _LIMITS / 2, 0)
    if not beyond.any():
        return pose
    within = np.minimum(np.abs(pose), _LIMITS / 2)
    return np.asarray(np.sign(pose) * (within + _LIMITS / 2 * np.tanh(2 * beyond / _LIMITS)), np.float32)
