"""Overload ladder: frame size and rate for all sessions of a worker, and admission of new ones.

Pure: time is an argument. Audio and delay are handled elsewhere (`elastic_delay.py`). The ladder steps down when frames
have been late for about a second, longer than a single stall, to the first rung whose load fits at the current speed.
It steps up tentatively when the load of a better rung is expected to fit.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from streaming.scheduling.plan import Rung, StageCosts

BUSY_WINDOW: Final = 2.0  # seconds
TROUBLE_WINDOW: Final = 1.2
"""Seconds of recent frames that are checked for trouble."""
TROUBLE_SPAN: Final = 0.6
"""Minimum time in seconds between the first and the last troubled frame."""
TROUBLE_SHARE: Final = 0.25
FEWEST_TROUBLED: Final = 3
PACE_WINDOW: Final = 1.0
"""Seconds of recent work from which the slowness is computed."""
FITS: Final = 0.85
"""Maximum load (`StageCosts.load` times slowness) at which a rung is expected to hold."""
PATIENCE: Final = 1.5
"""Seconds without trouble before trying to step up; doubled by every failed try unless conditions have improved."""
MAX_PATIENCE_SECONDS: Final = 60.0
TOO_EARLY: Final = 30.0
"""Seconds; a step up that is undone within this time counts as a failed try."""
IMPROVED_PACE: Final = 0.8
"""Conditions count as improved when slowness is at most this fraction of that before the failed try."""
IMPROVED_SPARE: Final = 0.3
"""Conditions also count as improved when this many more CPU cores are idle than before the failed try."""


@dataclass(frozen=True, slots=True)
class _Work:
    """Measured and expected duration of a piece of work in seconds; expected by the costs at startup."""

    moment: float
    took: float
    expected: float


class _Pace:
    """Sliding-window slowness of a series of work items."""

    def __init__(self) -> None:
        self._work: deque[_Work] = deque()

    def add(self, work: _Work) -> None:
        """Adds a finished work item."""
        self._work.append(work)
        while self._work[0].moment <= work.moment - PACE_WINDOW:
            self._work.popleft()

    @property
    def slowness(self) -> float:
        """Ratio of measured to expected time over the last second."""
        expected = sum(work.expected for work in self._work)
        return sum(work.took for work in self._work) / expected if expected else 1.0


@dataclass(frozen=True, slots=True)
class _Conditions:
    """Slowness of the machine and number of idle CPU cores."""

    slowness: float
    spare: float | None


class OverloadLadder:
    """Overload ladder of one worker.

    Args:
        rungs: best first.
        costs: stage costs on the idle machine; None if unknown, as with a single rung.
        sessions: returns the number of sessions.
        cores: usable CPU cores.
        spare: returns the number of idle CPU cores, None if unknown.
    """

    def __init__(
        self,
        rungs: Sequence[Rung],
        costs: StageCosts | None = None,
        sessions: Callable[[], int] = lambda: 1,
        cores: float = 1.0,
        spare: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.rungs = tuple(rungs)
        self.level = 0
        self.changes = 0
        """Number of rung changes."""
        self._costs = costs
        self._sessions = sessions
        self._cores = cores
        self._spare = spare
        self._busy: deque[tuple[float, float]] = deque()
        self.reset()

    def reset(self) -> None:
        """Restarts on the best rung."""
        self.level = 0
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._forget_pace()
        self._since = self._stepped_up = float("-inf")
        self._risen_from = 0
        self._patience = PATIENCE
        self._tried: _Conditions | None = None
        self._failed: _Conditions | None = None

    @property
    def rung(self) -> Rung:
        return self.rungs[self.level]

    @property
    def busy_share(self) -> float:
        """Fraction of the last two seconds in which the device was busy."""
        return sum(seconds for _, seconds in self._busy) / BUSY_WINDOW

    @property
    def slowness(self) -> float:
        """Ratio of the models' current run time to their costs at startup."""
        return self._models.slowness

    def ran(self, now: float, took: float, expected: float) -> None:
        """Records ``took`` seconds of device time ending at ``now`` for work with ``expected`` cost; 0: unknown."""
        self._busy.append((now, took))
        while self._busy[0][0] <= now - BUSY_WINDOW:
            self._busy.popleft()
        if expected:
            self._models.add(_Work(now, took, expected))

    def sent(self, now: float, took: float, size: int) -> None:
        """Records ``took`` seconds spent by one session on encoding and sending a frame of ``size`` px."""
        if self._costs is not None and (expected := self._costs.encode[size]):
            self._senders.add(_Work(now, took, expected))

    def frame(self, now: float, troubled: bool) -> None:
        """Records a sent frame; ``troubled``: preceded by a missing one, or too late for a longer delay to help."""
        self._outcomes.append((now, troubled))
        while len(self._outcomes) > FEWEST_TROUBLED and self._outcomes[0][0] <= now - max(TROUBLE_WINDOW, PATIENCE):
            self._outcomes.popleft()
        if self.level < len(self.rungs) - 1 and self._overloaded(now):
            self._fall(now)
        elif self.level and self._calm(now):
            self._rise(now)

    def _overloaded(self, now: float) -> bool:
        recent = [(moment, troubled) for moment, troubled in self._outcomes if moment > now - TROUBLE_WINDOW]
        newest = list(self._outcomes)[-FEWEST_TROUBLED:]
        if len(recent) < FEWEST_TROUBLED and len(newest) == FEWEST_TROUBLED:
            recent = newest  # the frame rate is too low for the window
        moments = [moment for moment, troubled in recent if troubled]
        enough = len(moments) >= max(FEWEST_TROUBLED, TROUBLE_SHARE * len(recent))
        return enough and moments[-1] - moments[0] >= TROUBLE_SPAN

    def _calm(self, now: float) -> bool:
        troubled = sum(troubled for _, troubled in self._outcomes)
        return now - self._since >= PATIENCE and troubled <= TROUBLE_SHARE / 2 * len(self._outcomes)

    def _fall(self, now: float) -> None:
        below = range(self.level + 1, len(self.rungs))
        images = [level for level in below if self.rungs[level].admits]
        target = next((level for level in images if self._fits(self.rungs[level])), (images or below)[-1])
        if now - self._stepped_up < TOO_EARLY:
            target = max(target, self._risen_from)
            self._patience = min(2 * self._patience, MAX_PATIENCE_SECONDS)
            self._failed = self._tried
        else:
            self._patience, self._failed = PATIENCE, None
        self._step(now, target)

    def _rise(self, now: float) -> None:
        improved = self._improved()
        above = range(self.level) if self._failed is None or improved else range(self.level - 1, self.level)
        target = next((level for level in above if self._fits(self.rungs[level])), None)
        if target is not None and (now - self._since >= self._patience or improved):
            self._stepped_up, self._risen_from = now, self.level
            self._tried = _Conditions(self.slowness, self._spare())
            self._step(now, target)

    def _improved(self) -> bool:
        """True when conditions are better than before the last failed try."""
        if self._failed is None:
            return False
        spare, before = self._spare(), self._failed.spare
        freed = spare is not None and before is not None and spare >= before + IMPROVED_SPARE
        return freed or self.slowness <= IMPROVED_PACE * self._failed.slowness

    def _fits(self, rung: Rung) -> bool:
        """True when the load of all sessions on a rung fits at the current slowness."""
        if self._costs is None:
            return True
        models = self.slowness * max(1, self._sessions()) * self._costs.load(rung, self._cores)
        sender = self._senders.slowness * self._costs.encode[rung.size] * rung.frame_rate
        return max(models, sender) <= FITS

    def _forget_pace(self) -> None:
        self._models, self._senders = _Pace(), _Pace()

    def _step(self, now: float, level: int) -> None:
        self.level = level
        self.changes += 1
        self._since = now
        self._outcomes.clear()
        self._forget_pace()
