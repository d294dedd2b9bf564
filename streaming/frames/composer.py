"""Motion composer: combines decoded expressions with idle motion.

Pure. The decoder drives the face, also at rest in the manner of the style; lips that stay parted between phrases are
closed in silence. Gaze and blinks come from idle motion, driven by loudness and phrase ends; head, brows and lids move
in the manner of the style, around the mean that the decoder gives. After an interruption the face blends from the last
displayed expression.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.engine import StyleMotion
from streaming.frames.idle_motion import IdleFrame, IdleMotion
from streaming.frames.presence import Presence
from streaming.frames.style_player import UPPER
from streaming.media import MotionFrame
from streaming.units import FRAME_TICKS, Tick

ATTACK = 1 / 3  # share per frame: onset of speaking motion
RELEASE = 1 / 5
OPENING = 0  # the coefficient that opens the lips, from 0 for closed, until a style says otherwise
CLOSING = 1 / 5  # share per frame: after an interruption the mouth closes within 170 ms
QUIET = 0.003  # root mean square of a quiet room
LOUD = 0.2
MAX_LEAP_FRAMES = 30
"""Maximum number of idle-motion steps of 1/30 s between two frames."""


def loudness(level: float) -> float:
    """Maps RMS 0..1 to perceived loudness 0..1 (logarithmic)."""
    return float(np.clip(np.log(max(level, 1e-6) / QUIET) / np.log(LOUD / QUIET), 0.0, 1.0))


class InterpolatedIdleMotion:
    """Idle motion at any tick: computed at 30 Hz and linearly interpolated."""

    def __init__(self, idle_motion: IdleMotion) -> None:
        self._idle_motion = idle_motion
        self._moment = -1  # index of the newer step
        self._older = self._newer = np.zeros(9 + UPPER, np.float32)

    def at(self, tick: Tick, speaking: float, energy: float) -> IdleFrame:
        """Return the motion at ``tick``, which must not decrease; see `IdleMotion.step`."""
        wanted = -(-tick // FRAME_TICKS)
        self._moment = max(self._moment, wanted - MAX_LEAP_FRAMES)
        while self._moment < wanted:
            idle = self._idle_motion.step(speaking, energy)
            self._older = self._newer
            self._newer = np.concatenate([idle.pose, idle.gaze, [idle.blink], idle.upper], dtype=np.float32)
            self._moment += 1
        share = np.float32(wanted - tick / FRAME_TICKS)
        now = share * self._older + (1 - share) * self._newer if share else self._newer
        return IdleFrame(now[:6], now[6:8], float(now[8]), now[9:])


class Composer:
    """Composes the motion frames of one session."""

    def __init__(self, seed: int) -> None:
        self._idle_motion = IdleMotion(seed)
        self._speaking = 0.0
        self._spoke = False
        self._last_tick: Tick = -FRAME_TICKS
        self._idle = InterpolatedIdleMotion(self._idle_motion)
        self._last: NDArray[np.float32] | None = None
        self._interrupted: NDArray[np.float32] | None = None
        self._closing = 0.0
        self._opening: int | None = OPENING

    def set_presence(self, presence: Presence) -> None:
        """Fades to where and how the face is wanted to be."""
        self._idle_motion.presence = presence

    def follow(self, style: StyleMotion, fade_s: float) -> None:
        """Moves head and upper face in another manner, cross-faded over ``fade_s`` seconds."""
        self._opening = style.opening
        self._idle_motion.follow(style, fade_s)

    def interrupt(self, on_screen: MotionFrame | None) -> None:
        """Blends back to rest from the displayed expression."""
        self._interrupted = self._last if on_screen is None else on_screen.expression
        self._closing = 1.0
        self._spoke = False

    def compose(self, tick: Tick, epoch: int, decoded: NDArray[np.float32], speech: bool, level: float) -> MotionFrame:
        """Composes the motion of the frame that starts at ``tick``.

        Args:
            tick: must increase; idle motion is advanced over skipped frames.
            epoch: epoch of the audio it belongs to.
            decoded: (64,) float32 from the decoder.
            speech: True if there is speech in this frame or in the next few.
            level: RMS of the frame's audio, 0..1.
        """
        if self._spoke and not speech:
            self._idle_motion.phrase_ended()
        self._spoke = speech
        energy = loudness(level) if speech else 0.0
        passed = min((tick - self._last_tick) / FRAME_TICKS, MAX_LEAP_FRAMES)
        self._last_tick = tick
        self._speaking = min(max(self._speaking + passed * (ATTACK if speech else -RELEASE), 0.0), 1.0)
        self._closing = max(self._closing - passed * CLOSING, 0.0)
        idle = self._idle.at(tick, self._speaking, energy)
        expression = self._resting(decoded)
        expression[-UPPER:] += idle.upper
        self._last = expression = self._returning(expression)
        return MotionFrame(tick, epoch, expression, idle.pose, idle.gaze, idle.blink)

    def _resting(self, decoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the decoded expression with its lips closing as silence goes on."""
        expression = decoded.copy()
        if self._opening is not None:
            opening = decoded[self._opening]
            expression[self._opening] = min(opening, np.float32(self._speaking) * opening)
        return expression

    def _returning(self, decoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the decoded expression, blended with the interrupted one while that fades out."""
        if self._interrupted is None or not self._closing:
            return decoded
        share = np.float32(self._closing * self._closing * (3 - 2 * self._closing))
        return share * self._interrupted + (1 - share) * decoded
