"""The motion composer: decoded speech on top of idle life.

Pure. The decoder moves the face, and rests it in the style's own way where the phones are silent; lips that people keep
apart between two phrases come together when nobody speaks. Head, eyes and lids come from idle life, tied to loudness
and phrase ends. After an interruption the face returns from what is on screen.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.life import Life
from streaming.media import MotionFrame

ATTACK = 1 / 3  # share per frame: how fast the head takes to speaking
RELEASE = 1 / 5
OPENING = 0  # the coefficient that opens the lips, from 0 for closed
CLOSING = 1 / 5  # share per frame: an interrupted mouth is closed after 170 ms
QUIET = 0.003  # root mean square of a quiet room
LOUD = 0.2


def loudness(level: float) -> float:
    """Root mean square 0..1 to perceived loudness 0..1 (logarithmic)."""
    return float(np.clip(np.log(max(level, 1e-6) / QUIET) / np.log(LOUD / QUIET), 0.0, 1.0))


class Composer:
    """Makes one motion frame after the other for one session."""

    def __init__(self, seed: int) -> None:
        self._life = Life(seed)
        self._speaking = 0.0
        self._spoke = False
        self._next = 0
        self._last: NDArray[np.float32] | None = None
        self._interrupted: NDArray[np.float32] | None = None
        self._closing = 0.0

    def interrupt(self, on_screen: MotionFrame | None) -> None:
        """Returns to rest from the expression on the viewer's screen."""
        self._interrupted = self._last if on_screen is None else on_screen.expression
        self._closing = 1.0
        self._spoke = False

    def compose(self, index: int, epoch: int, decoded: NDArray[np.float32], speech: bool, level: float) -> MotionFrame:
        """Motion of frame ``index``.

        Args:
            index: later than the one before; life of the frames in between is lived through.
            epoch: epoch of the sound it belongs to.
            decoded: (64,) float32 from the decoder.
            speech: somebody speaks in this frame or is about to.
            level: root mean square of the frame's sound, 0..1.
        """
        if self._spoke and not speech:
            self._life.phrase_ended()
        self._spoke = speech
        energy = loudness(level) if speech else 0.0
        for _ in range(max(1, min(index - self._next + 1, 30))):
            self._speaking = min(max(self._speaking + (ATTACK if speech else -RELEASE), 0.0), 1.0)
            self._closing = max(self._closing - CLOSING, 0.0)
            pose, gaze, blink = self._life.step(self._speaking, energy)
        self._next = index + 1
        self._last = expression = self._returning(self._resting(decoded))
        return MotionFrame(index, epoch, expression, pose, gaze, blink)

    def _resting(self, decoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """The decoded expression, its lips the nearer to closed the longer nobody speaks."""
        expression = decoded.copy()
        expression[OPENING] = min(decoded[OPENING], np.float32(self._speaking) * decoded[OPENING])
        return expression

    def _returning(self, decoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """The decoded expression, mixed with the interrupted one while that fades."""
        if self._interrupted is None or not self._closing:
            return decoded
        share = np.float32(self._closing * self._closing * (3 - 2 * self._closing))
        return share * self._interrupted + (1 - share) * decoded
