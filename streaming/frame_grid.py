"""When the frames of a session are begun and shown, and which are left out under overload.

Pure but for the clock that it reads.
"""

from typing import Final

from streaming.clock import MediaClock
from streaming.latency import LatencyPlan
from streaming.media import FRAME_TICKS, TICK_RATE
from streaming.worker import Worker

MOST_OF_BUDGET: Final = 0.9


class FrameGrid:
    """Thirty frames per second on the session's clock; ``worker`` says whether there is too much to do."""

    def __init__(self, clock: MediaClock, plan: LatencyPlan, worker: Worker) -> None:
        self.clock = clock
        self._plan = plan
        self._worker = worker

    def begin(self, index: int) -> float:
        """Moment at which frame ``index`` is decoded with what is known then."""
        return self.due(index) - self._plan.budget / TICK_RATE

    def next(self, seconds: float) -> int:
        """The first frame that is still in time when it takes ``seconds``, which count as less than the budget."""
        seconds = min(seconds, MOST_OF_BUDGET * self._plan.budget / TICK_RATE)
        return -int((self.due(0) - self.clock.now() - seconds) * TICK_RATE // FRAME_TICKS)

    def due(self, index: int) -> float:
        """Moment at which the picture of frame ``index`` goes to the encoder."""
        return self.clock.deadline(index * FRAME_TICKS) + self._plan.picture_lag / TICK_RATE

    def newest(self) -> int:
        """The newest frame that is due."""
        return int((self.clock.now() - self.due(0)) * TICK_RATE // FRAME_TICKS)

    @property
    def stride(self) -> int:
        """Frames from one picture to the next."""
        return 2 if self._worker.level > 0 else 1

    def leaves_out(self, index: int) -> bool:
        """True when frame ``index`` gets no picture."""
        return index % self.stride != 0
