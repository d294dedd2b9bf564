"""Frame clock: start ticks, start times and due times of a session's frames.

Pure except for reading the clock. Frames are evenly spaced at the rate of the overload ladder. If a frame takes longer
than its period, frames in between are skipped: the next one is the one that will be due when it is ready, so every
rendered frame is on time and frames are as even as possible.
"""

from typing import Final

from streaming.clock import MediaClock
from streaming.latency import LatencyPlan
from streaming.scheduling.worker import Worker
from streaming.units import FRAME_TICKS, STEP_TICKS, TICK_RATE, Tick

MAX_BUDGET_SHARE: Final = 0.9
PUNCTUAL: Tick = 48  # 1 ms, the timer resolution


class FrameClock:
    """Frame timing of one session; the frame rate is that of ``worker``."""

    def __init__(self, clock: MediaClock, plan: LatencyPlan, worker: Worker) -> None:
        self.clock = clock
        self._plan = plan
        self._worker = worker

    def begin(self, tick: Tick) -> float:
        """Return the time at which decoding of the frame at ``tick`` starts."""
        return self.due(tick) - self._budget

    def due(self, tick: Tick) -> float:
        """Return the time at which the frame at ``tick`` goes to the encoder."""
        return self.clock.deadline(tick) + self._plan.frame_lag / TICK_RATE

    def due_by(self, moment: float) -> Tick:
        """Return the newest tick whose frame is due at ``moment``."""
        return int((moment - self.due(0)) * TICK_RATE) + PUNCTUAL

    def next(self, previous: Tick, seconds: float) -> Tick:
        """Return the start tick of the frame after ``previous``, if rendering takes ``seconds`` from now on.

        ``seconds`` is capped just below the budget, so that a frame started on time is never skipped in advance.
        """
        ready = self.clock.now() + min(seconds, MAX_BUDGET_SHARE * self._budget)
        soonest = (ready - self.due(0)) * TICK_RATE
        return max(previous + self.stride, round(soonest / STEP_TICKS) * STEP_TICKS)

    @property
    def motion_ahead(self) -> Tick:
        """By how much the motion composed for a frame is later than the frame; see `LatencyPlan.renderer_frames`."""
        return self._plan.renderer_frames * FRAME_TICKS

    @property
    def stride(self) -> Tick:
        """Ticks per frame."""
        return TICK_RATE // self._worker.ladder.rung.frame_rate

    @property
    def _budget(self) -> float:
        """Seconds per frame: the planned budget plus the growth of the delay since."""
        return (self._plan.budget + self.clock.delay - self._plan.delay) / TICK_RATE
