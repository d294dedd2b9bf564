"""The motion composer: decoded speech on top of idle life.

Pure. Speech moves the lower face while somebody speaks; in silence the mouth rests closed. The upper face keeps the
style all the time. Head, eyes and lids come from idle life, tied to loudness and phrase ends.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.life import Life
from streaming.media import EXPRESSION, LOWER_FACE, MotionFrame

ATTACK = 1 / 3  # share per frame: the mouth is free 100 ms after the first frame of speech
RELEASE = 1 / 5
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
        self._mouth = np.zeros(LOWER_FACE, dtype=np.float32)
        self._closing_from: NDArray[np.float32] | None = None

    @property
    def speaking(self) -> bool:
        """True from the first frame of speech to the last."""
        return self._spoke

    def interrupt(self, on_screen: MotionFrame | None) -> None:
        """Closes the mouth from the shape it has on the viewer's screen."""
        self._closing_from = self._mouth if on_screen is None else on_screen.expression[:LOWER_FACE]
        self._speaking = 1.0
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
        if speech:
            self._closing_from = None
        if self._spoke and not speech:
            self._life.phrase_ended()
        self._spoke = speech
        energy = loudness(level) if speech else 0.0
        for _ in range(max(1, min(index - self._next + 1, 30))):
            step = ATTACK if speech else -RELEASE
            self._speaking = round(min(max(self._speaking + step, 0.0), 1.0), 6)
            pose, gaze, blink = self._life.step(self._speaking, energy)
        self._next = index + 1

        expression = np.empty(EXPRESSION, dtype=np.float32)
        mouth = decoded[:LOWER_FACE] if self._closing_from is None else self._closing_from
        self._mouth = mouth * np.float32(smooth(self._speaking))
        expression[:LOWER_FACE] = self._mouth
        expression[LOWER_FACE:] = decoded[LOWER_FACE:]
        return MotionFrame(index, epoch, expression, pose, gaze, blink)


def smooth(x: float) -> float:
    """Eases 0..1 in and out."""
    return x * x * (3 - 2 * x)
