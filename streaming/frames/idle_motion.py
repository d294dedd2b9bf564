"""Idle motion: blinks, glances, breathing, head sway and nods, beside the head and upper face of the style.

Pure: seeded, advanced one frame at a time, never reads a clock. Rates follow the literature on conversation: a blink
every three to four seconds (more often during speech and at phrase ends) that closes in 130 ms and opens in 200 ms;
fixations of 0.5 to 2 s; 15 breaths per minute.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.engine import StyleMotion
from streaming.frames.presence import NATURAL, PresenceMotion
from streaming.frames.style_player import StylePlayer
from streaming.units import FRAME_TICKS, TICK_RATE

FRAME_SECONDS = FRAME_TICKS / TICK_RATE
BLINK_SHAPE = (0.2, 0.6, 0.92, 1.0, 1.0, 0.86, 0.6, 0.36, 0.18, 0.06)  # eyelid closure on consecutive frames
BLINK_MEDIAN_IDLE = 3.6  # seconds between two blinks
BLINK_MEDIAN_SPEAKING = 2.6
BLINK_SPREAD = 0.45  # standard deviation of the logarithm of the interval
MIN_BLINK_INTERVAL_SECONDS = 0.8
DOUBLE_BLINK = 0.12  # probability that a blink is followed by another at once
BLINK_AT_PHRASE_END = 0.45
BREATHS_PER_SECOND = 0.25

EYES_HOLD = 0.8  # share of the head's turn that the eyes make up for

SWAY_RATES = np.array([0.071, 0.113, 0.197, 0.331])  # hertz; incommensurate, so that the sway never repeats
SWAY_WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])
SWAY_IDLE = np.array([0.016, 0.028, 0.014, 0.014, 0.008, 0.040])  # pitch, yaw, roll [rad]; tx, ty, tz
SWAY_SPEAKING = np.array([0.030, 0.055, 0.030, 0.026, 0.014, 0.080])


class Blinks:
    """Eyelid closure, 0 open .. 1 closed."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._frame = len(BLINK_SHAPE)
        self._wait = self._interval(BLINK_MEDIAN_IDLE)

    def _interval(self, median: float) -> float:
        return max(MIN_BLINK_INTERVAL_SECONDS, float(median * np.exp(BLINK_SPREAD * self._random.standard_normal())))

    def phrase_ended(self) -> None:
        """Often triggers a blink, as people do at phrase ends."""
        if self._random.random() < BLINK_AT_PHRASE_END:
            self._wait = min(self._wait, float(self._random.uniform(0.05, 0.3)))

    def step(self, speaking: float) -> float:
        """Return the eyelid closure of the next frame; ``speaking`` 0..1 makes blinks more frequent."""
        if self._frame < len(BLINK_SHAPE):
            closure = BLINK_SHAPE[self._frame]
            self._frame += 1
            return closure
        self._wait -= FRAME_SECONDS
        if self._wait <= 0:
            self._frame = 0
            median = BLINK_MEDIAN_IDLE + (BLINK_MEDIAN_SPEAKING - BLINK_MEDIAN_IDLE) * speaking
            self._wait = 0.1 if self._random.random() < DOUBLE_BLINK else self._interval(median)
        return 0.0


class Glances:
    """Gaze direction (2,): yaw, pitch in rad; mostly at the viewer with small fixational shifts, sometimes away."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._wait = 1.0
        self._away = False
        self._target = np.zeros(2)
        self._gaze = np.zeros(2)

    def step(self, speaking: float) -> NDArray[np.float64]:
        """Return the gaze of the next frame; a speaker looks away more often than a listener."""
        self._wait -= FRAME_SECONDS
        if self._wait <= 0:
            self._away = not self._away and bool(self._random.random() < 0.06 + 0.12 * speaking)
            if self._away:
                side = self._random.choice([-1.0, 1.0])
                self._target = np.array([side * self._random.uniform(0.08, 0.16), self._random.uniform(-0.08, 0.05)])
                self._wait = float(self._random.uniform(0.35, 0.9))
            else:
                self._target = self._random.normal(0.0, (0.016, 0.010))
                self._wait = float(self._random.uniform(0.5, 2.0))
        self._gaze = self._gaze + 0.75 * (self._target - self._gaze)  # a saccade lasts two frames
        return self._gaze


class Sway:
    """Slow head sway (6,): a sum of sines with random phases."""

    def __init__(self, random: np.random.Generator) -> None:
        self._phases = random.uniform(0, 2 * np.pi, (6, len(SWAY_RATES)))
        self._rates = SWAY_RATES * random.uniform(0.9, 1.1, (6, len(SWAY_RATES)))
        self._breath = random.uniform(0, 2 * np.pi)
        self._time = 0.0

    def step(self, speaking: float) -> NDArray[np.float64]:
        """Return the pose offset of the next frame; ``speaking`` 0..1 widens the sway."""
        self._time += FRAME_SECONDS
        waves = np.sin(2 * np.pi * self._rates * self._time + self._phases) @ SWAY_WEIGHTS
        pose: NDArray[np.float64] = waves * (SWAY_IDLE + (SWAY_SPEAKING - SWAY_IDLE) * speaking)
        breath = np.sin(2 * np.pi * BREATHS_PER_SECOND * self._time + self._breath)
        pose += np.array([0.003, 0.0, 0.0, 0.0, -0.006, 0.012]) * breath
        return pose


@dataclass(slots=True)
class Nods:
    """Speech-related head motion: beats on stressed syllables, a nod at the end of a phrase.

    The head follows the loudness as a critically damped spring of 2.2 Hz, so that it never jumps.
    """

    random: np.random.Generator
    _position: float = 0.0
    _velocity: float = 0.0
    _mean: float = 0.0
    _impulse: float = 0.0
    _wait: float = 5.0

    def phrase_ended(self) -> None:
        self._impulse = float(self.random.uniform(0.02, 0.035))

    def step(self, speaking: float, energy: float, often: float = 1.0) -> float:
        """Return the pitch of the next frame in rad, positive chin down.

        Args:
            speaking: 0 listening .. 1 speaking.
            energy: loudness of the frame, 0..1.
            often: nods without speech, relative to a face at rest.
        """
        self._wait -= FRAME_SECONDS * often
        if self._wait <= 0:  # listeners nod too
            self._impulse = max(self._impulse, float(self.random.uniform(0.012, 0.025)) * (1 - speaking))
            self._wait = float(self.random.uniform(5.0, 11.0))
        self._mean += 0.04 * (energy - self._mean)
        target = 0.05 * speaking * (energy - self._mean) + self._impulse
        self._impulse *= 0.88
        stiffness = 2 * np.pi * 2.2
        acceleration = stiffness**2 * (target - self._position) - 2 * stiffness * self._velocity
        self._velocity += acceleration * FRAME_SECONDS
        self._position += self._velocity * FRAME_SECONDS
        return self._position


@dataclass(frozen=True, slots=True)
class IdleFrame:
    """One frame: pose (6,), gaze (2,), eyelid closure 0..1, and what the upper face (51,) adds."""

    pose: NDArray[np.float32]
    gaze: NDArray[np.float32]
    blink: float
    upper: NDArray[np.float32]


class IdleMotion:
    """Combined idle motion of one face."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._blinks = Blinks(random)
        self._glances = Glances(random)
        self._sway = Sway(random)
        self._nods = Nods(random)
        self._style = StylePlayer(random)
        self._turn = 0.0
        self._presence = PresenceMotion()
        self.presence = NATURAL
        """Wanted from now on."""

    def follow(self, style: StyleMotion, fade_s: float) -> None:
        """Moves head and upper face in another manner, cross-faded over ``fade_s`` seconds."""
        self._style.follow(style, fade_s)

    def phrase_ended(self) -> None:
        """Signals the end of a phrase."""
        self._blinks.phrase_ended()
        self._nods.phrase_ended()

    def step(self, speaking: float, energy: float) -> IdleFrame:
        """Return the next frame.

        Args:
            speaking: 0 listening .. 1 speaking.
            energy: loudness of this frame, 0..1.
        """
        styled, upper = self._style.step(speaking, energy)
        pose = styled + self._sway.step(speaking)
        pose[0] += self._style.nodding * self._nods.step(speaking, energy, self.presence.nodding)
        gaze = self._glances.step(speaking)
        self._turn += 0.15 * (0.25 * gaze[0] - self._turn)  # the head follows the eyes, a little and slowly
        pose[1] += self._turn
        gaze = gaze - EYES_HOLD * pose[[1, 0]]  # the eyes stay on the viewer while the head moves
        present = self._presence.step(self.presence, pose.astype(np.float32), gaze.astype(np.float32))
        return IdleFrame(*present, self._blinks.step(speaking), upper)
