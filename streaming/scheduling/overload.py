"""The overload ladder: how good a picture all sessions of a worker get, and when new ones are turned away.

Pure: time is an argument. Sound and delay are not its business (`elastic_delay.py`). It goes down when frames have been
in trouble for about a second, which no single stall can bring about, to the first rung whose work fits the time it
takes now. It goes up when the work of a better rung would fit, and finds out by trying whether it does.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from streaming.scheduling.plan import Rung, StageCosts

BUSY_WINDOW: Final = 2.0  # seconds
TROUBLE_WINDOW: Final = 1.2
"""Seconds of frames that are looked at for trouble."""
TROUBLE_SPAN: Final = 0.6
"""The troubled frames among them must be this far apart."""
TROUBLE_SHARE: Final = 0.25
FEWEST_TROUBLED: Final = 3
PACE_WINDOW: Final = 1.0
"""Seconds of work from which it is told how slow the machine is."""
FITS: Final = 0.85
"""Load (`StageCosts.load`), as slow as the machine is now, up to which a rung is expected to do."""
PATIENCE: Final = 1.5
"""Seconds without trouble before a try to go up. Every try that fails doubles them, unless things have improved."""
MAX_PATIENCE_SECONDS: Final = 60.0
TOO_EARLY: Final = 6.0
"""A rung that is left again within this many seconds was taken too early."""
IMPROVED_PACE: Final = 0.8
"""Slowness, in terms of that before the try that failed, from which on things have improved."""
IMPROVED_SPARE: Final = 0.3
"""Processors that must have become free since then, to say the same."""


@dataclass(frozen=True, slots=True)
class _Work:
    """Seconds that a piece of work took, and those that it should have taken by the costs at the start."""

    moment: float
    took: float
    expected: float


class _Pace:
    """How slow work is that comes in pieces."""

    def __init__(self) -> None:
        self._work: deque[_Work] = deque()

    def add(self, work: _Work) -> None:
        """One more piece, done now."""
        self._work.append(work)
        while self._work[0].moment <= work.moment - PACE_WINDOW:
            self._work.popleft()

    @property
    def slowness(self) -> float:
        """How many times longer than expected the work of the last second took."""
        expected = sum(work.expected for work in self._work)
        return sum(work.took for work in self._work) / expected if expected else 1.0


@dataclass(frozen=True, slots=True)
class _Conditions:
    """How slow the machine is, and how many processors have nothing to do."""

    slowness: float
    spare: float | None


class OverloadLadder:
    """One worker's.

    Args:
        rungs: best first.
        costs: of the stages when nothing else ran; None where there is nothing to go by, as with a single rung.
        sessions: how many there are.
        cores: processors that may be used.
        spare: how many processors have nothing to do; None where that is not known.
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
        """Times that the rung has changed."""
        self._costs = costs
        self._sessions = sessions
        self._cores = cores
        self._spare = spare
        self._busy: deque[tuple[float, float]] = deque()
        self.reset()

    def reset(self) -> None:
        """Begins anew on the best rung."""
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
        """Share of the last two seconds in which the device was at work."""
        return sum(seconds for _, seconds in self._busy) / BUSY_WINDOW

    @property
    def slowness(self) -> float:
        """How many times longer the models take than their costs at the start."""
        return self._models.slowness

    def ran(self, now: float, took: float, expected: float) -> None:
        """The device was busy for ``took`` seconds up to ``now`` with work that costs ``expected``; 0: not known."""
        self._busy.append((now, took))
        while self._busy[0][0] <= now - BUSY_WINDOW:
            self._busy.popleft()
        if expected:
            self._models.add(_Work(now, took, expected))

    def sent(self, now: float, took: float, size: int) -> None:
        """A picture of ``size`` px was encoded and sent, which took one session ``took`` seconds."""
        if self._costs is not None and (expected := self._costs.encode[size]):
            self._senders.add(_Work(now, took, expected))

    def frame(self, now: float, troubled: bool) -> None:
        """A picture was handed out; ``troubled``: after one that is missing, or too late for the delay to help."""
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
            recent = newest  # pictures are so rare that there is nothing else to go by
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
        """True when things are better than before the last try, which failed."""
        if self._failed is None:
            return False
        spare, before = self._spare(), self._failed.spare
        freed = spare is not None and before is not None and spare >= before + IMPROVED_SPARE
        return freed or self.slowness <= IMPROVED_PACE * self._failed.slowness

    def _fits(self, rung: Rung) -> bool:
        """Whether all sessions' work on a rung can be done, as slow as the machine is now."""
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
