"""When the frames of a session are begun and shown, and at which ticks.

Pure but for the clock that it reads. Frames are evenly spaced at the rate of the overload ladder. Where one frame takes
longer than that, the next is the one that will be due when it is ready: so every frame that is made is shown in time,
as evenly as they can be made.
"""

from typing import Final

from streaming.clock import MediaClock
from streaming.latency import LatencyPlan
from streaming.scheduling.worker import Worker
from streaming.units import STEP_TICKS, TICK_RATE, Tick

MAX_BUDGET_SHARE: Final = 0.9
PUNCTUAL: Tick = 48  # 1 ms; timers are no more exact


class FrameClock:
    """The frames of one session; ``worker`` says how many a second there are."""

    def __init__(self, clock: MediaClock, plan: LatencyPlan, worker: Worker) -> None:
        self.clock = clock
        self._plan = plan
        self._worker = worker

    def begin(self, tick: Tick) -> float:
        """Moment at which the frame of ``tick`` is decoded with what is known then."""
        return self.due(tick) - self._budget

    def due(self, tick: Tick) -> float:
        """Moment at which the picture of the frame that begins at ``tick`` goes to the encoder."""
        return self.clock.deadline(tick) + self._plan.frame_lag / TICK_RATE

    def due_by(self, moment: float) -> Tick:
        """The newest tick whose picture is due at ``moment``."""
        return int((moment - self.due(0)) * TICK_RATE) + PUNCTUAL

    def next(self, previous: Tick, seconds: float) -> Tick:
        """Where the frame after the one of ``previous`` begins, when it takes ``seconds`` from now on.

        What would take longer than the budget counts as less, so that a frame which is begun in time has its chance.
        """
        ready = self.clock.now() + min(seconds, MAX_BUDGET_SHARE * self._budget)
        soonest = (ready - self.due(0)) * TICK_RATE
        return max(previous + self.stride, round(soonest / STEP_TICKS) * STEP_TICKS)

    @property
    def stride(self) -> Tick:
        """Ticks from one frame to the next."""
        return TICK_RATE // self._worker.ladder.rung.frame_rate

    @property
    def _budget(self) -> float:
        """Seconds for a frame: those of the plan, and by how much the delay has grown since."""
        return (self._plan.budget + self.clock.delay - self._plan.delay) / TICK_RATE
