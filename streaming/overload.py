"""The overload ladder: when to make fewer pictures, and when to turn new sessions away.

Pure: time is an argument. Level 0: all well, 1: half the video rate, 2: no new sessions either. Sound is never delayed.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

LADDER_TOP: Final = 2
BUSY_WINDOW: Final = 2.0  # seconds


@dataclass(slots=True)
class OverloadLadder:
    """Climbs when frames were late in every part of the last two seconds, which no single stall can bring about.

    Whether the load would fit again is found out by trying: after ``patience`` seconds it goes down, unless frames are
    still late; when that was too early, the next try waits twice as long, up to ``longest_patience``.

    Attributes:
        window: seconds that are looked at, in ``parts`` equal parts.
        late_share: share of late frames in a part from which on the part counts as overloaded.
        fewest: frames in a part below which nothing can be said about it.
        too_early: a level that is taken again within this many seconds was left too early.
    """

    window: float = 2.0
    parts: int = 4
    late_share: float = 0.25
    fewest: int = 4
    patience: float = 2.0
    longest_patience: float = 60.0
    too_early: float = 6.0
    level: int = 0
    _outcomes: deque[tuple[float, bool]] = field(default_factory=deque)
    _busy: deque[tuple[float, float]] = field(default_factory=deque)
    _since: float = float("-inf")
    _waiting: float = 0.0
    _stepped_down: float = float("-inf")

    def ran(self, now: float, seconds: float) -> None:
        """The device was busy for ``seconds`` up to ``now``."""
        self._busy.append((now, seconds))
        while self._busy and self._busy[0][0] <= now - BUSY_WINDOW:
            self._busy.popleft()

    @property
    def busy_share(self) -> float:
        """Share of the last two seconds in which the device was at work."""
        return sum(seconds for _, seconds in self._busy) / BUSY_WINDOW

    def frame(self, now: float, late: bool) -> None:
        """A frame was made in time or was ``late``; adjusts the level."""
        self._outcomes.append((now, late))
        while self._outcomes[0][0] <= now - self.window:
            self._outcomes.popleft()
        if self.level < LADDER_TOP and self._overloaded(now):
            self._waiting = self._next_wait(now)
            self._step(now, +1)
        elif self.level and now - self._since > self._waiting and self._calm():
            self._stepped_down = now
            self._step(now, -1)

    def _overloaded(self, now: float) -> bool:
        total, late = [0] * self.parts, [0] * self.parts
        for moment, was_late in self._outcomes:
            part = min(int((now - moment) / self.window * self.parts), self.parts - 1)
            total[part] += 1
            late[part] += was_late
        return all(n >= self.fewest and k > self.late_share * n for n, k in zip(total, late, strict=True))

    def _calm(self) -> bool:
        return sum(late for _, late in self._outcomes) < self.late_share / 2 * len(self._outcomes)

    def _next_wait(self, now: float) -> float:
        """How long to wait for a calm stretch before the next try."""
        if now - self._stepped_down > self.too_early:
            return self.patience
        return min(max(2 * self._waiting, self.patience), self.longest_patience)

    def _step(self, now: float, by: int) -> None:
        self.level += by
        self._since = now
        self._outcomes.clear()
