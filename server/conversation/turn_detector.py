"""Turn detection: where a person begins to speak and has finished, by silero-vad.

Runs on: any single thread. A turn begins with some audio from before it was noticed, so that no first sound is lost.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.conversation.turns import TurnAudio, TurnEnded, TurnEvent, TurnStarted
from streaming.audio.decimator import Decimator
from streaming.units import MODEL_SAMPLE_TICKS
from styletalk_core.recognizer.vad import WINDOW, GateState, VoiceDetector

WINDOW_TICKS: Final = WINDOW * MODEL_SAMPLE_TICKS
"""32 ms."""
SPEECH_ABOVE: Final = 0.5
QUIET_BELOW: Final = 0.4
BEGIN_WINDOWS: Final = 3
"""Consecutive windows of speech that begin a turn (96 ms), so that a click or a cough does not."""
END_WINDOWS: Final = 8
"""Consecutive quiet windows that end a turn (256 ms). Who goes on after a longer pause, before the answer is heard, has
not lost the words: turns in a row are one for the partner."""
LEAD_WINDOWS: Final = 12
"""Audio before the beginning was noticed that belongs to the turn (384 ms)."""


@dataclass(slots=True)
class _Window(GateState):
    """Keeps the speech probability of the newest window."""

    probability: float = 0.0

    def judge(self, probability: float) -> None:
        self.probability = probability


class TurnDetector:
    """Turns of one person.

    Args:
        detector: may be shared.
    """

    def __init__(self, detector: VoiceDetector) -> None:
        self._detector = detector
        self._decimator = Decimator()
        self._window = _Window()
        self._rest = np.zeros(0, np.int16)
        self._lead: deque[NDArray[np.int16]] = deque(maxlen=LEAD_WINDOWS)
        self._voiced = self._quiet = 0
        self._inside = False

    def push(self, samples: NDArray[np.int16]) -> list[TurnEvent]:
        """Takes the next audio, (n,) int16 mono 48 kHz; returns what is known now."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // WINDOW_TICKS * WINDOW_TICKS
        self._rest = samples[whole:]
        return [event for window in samples[:whole].reshape(-1, WINDOW_TICKS) for event in self._judge(window)]

    def _judge(self, window: NDArray[np.int16]) -> list[TurnEvent]:
        self._detector.advance([self._window], self._decimator.push(window)[None])
        probability = self._window.probability
        self._voiced = self._voiced + 1 if probability >= SPEECH_ABOVE else 0
        self._quiet = self._quiet + 1 if probability < QUIET_BELOW else 0
        if self._inside:
            return self._go_on(window)
        self._lead.append(window)
        if self._voiced < BEGIN_WINDOWS:
            return []
        self._inside = True
        lead = np.concatenate(self._lead)
        self._lead.clear()
        return [TurnStarted(), TurnAudio(lead)]

    def _go_on(self, window: NDArray[np.int16]) -> list[TurnEvent]:
        if self._quiet < END_WINDOWS:
            return [TurnAudio(window)]
        self._inside, self._voiced = False, 0
        return [TurnAudio(window), TurnEnded()]
