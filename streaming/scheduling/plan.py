"""Machine plan: frame size and rate for this machine, chosen from the measured stage costs.

Pure. Options are tried in the order of the overload ladder: smaller frames first, then lower rates. The first one whose
load fits the CPU with headroom is taken, so a slower machine never gets larger frames or a higher rate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streaming.units import TICK_RATE, Tick

SIZES: Final = (512, 384, 256)
"""Frame widths and heights in pixels, largest first."""
FRAME_RATES: Final = (30, 20, 15, 10)
"""Frame rates in fps, highest first; each gives a whole number of steps per frame."""
MAX_LOAD_SHARE: Final = 0.65
"""Maximum load of one session on the worker and on all CPU cores; see `StageCosts.load`."""
HOPELESS: Final = 0.85
"""Load of the smallest frames at the lowest rate above which live sessions are not feasible."""
CALL_WORK: Final = 0.05
"""Seconds of CPU time per second for unmeasured work: packet I/O, Opus, encryption."""
MIN_BUDGET_TICKS: Tick = 1_440  # 30 ms
MAX_BUDGET_TICKS: Tick = 7_200  # 150 ms
BUDGET_MARGIN: Final = 2.0
"""Budget in multiples of the frame time: a frame may wait for another stage or process as long again."""
HANDOVER: Tick = 384
"""8 ms of overhead from the clock to the worker and back."""


@dataclass(frozen=True, slots=True)
class Rung:
    """Quality level: frame ``size`` in pixels, ``frame_rate`` in fps; ``admits``: new sessions are accepted."""

    size: int
    frame_rate: int
    admits: bool = True


@dataclass(frozen=True, slots=True)
class StageCosts:
    """Costs of the stages of one session, in seconds of work.

    ``recognize`` per second of audio; ``decode`` per frame; ``render`` and ``encode`` per frame, by frame size.
    """

    recognize: float
    decode: float
    render: Mapping[int, float]
    encode: Mapping[int, float]

    @classmethod
    def nothing(cls, sizes: Sequence[int]) -> "StageCosts":
        """Return zero costs."""
        free = dict.fromkeys(sizes, 0.0)
        return cls(0.0, 0.0, free, free)

    def frame(self, size: int) -> float:
        """Return the seconds of worker time for one frame."""
        return self.decode + self.render[size]

    def all_work(self, rung: Rung) -> float:
        """Return the seconds of work per second on all threads."""
        return self._model_work(rung) + rung.frame_rate * self.encode[rung.size] + CALL_WORK

    def load(self, rung: Rung, cores: float) -> float:
        """Return the larger of the load on the worker thread's core and the load on all ``cores``, as fractions."""
        return max(self._model_work(rung) / min(1.0, cores), self.all_work(rung) / cores)

    def _model_work(self, rung: Rung) -> float:
        return self.recognize + rung.frame_rate * self.frame(rung.size)


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """Initial quality of sessions.

    Attributes:
        best: frame size and rate.
        budget: ticks from the start of decoding until the frame must be ready.
        work: seconds of work of all stages per frame.
        cores: CPU cores assumed.
        feasible: False if even the smallest frames at the lowest rate are too slow.
        sizes: allowed frame sizes, largest first.
    """

    best: Rung
    budget: Tick
    work: float
    cores: float
    feasible: bool
    sizes: tuple[int, ...]

    def rungs(self) -> list[Rung]:
        """Return the best rung and all below it: smaller frames, then lower rates, then no new sessions."""
        below = _downwards(self.best, self.sizes)
        return [*below, replace(below[-1], admits=False)]

    def described(self) -> str:
        """Return a summary such as "512 px at 30 frames per second, 11 ms of 33 ms"."""
        best = self.best
        if not self.feasible:
            return (
                f"This machine is too slow for calls: a frame of {best.size} px takes {self.work * 1000:.0f} ms, "
                f"and {self.cores:g} CPU cores cannot render {best.frame_rate} frames per second."
            )
        period = 1000 / best.frame_rate
        return f"{best.size} px at {best.frame_rate} frames per second, {self.work * 1000:.0f} ms of {period:.0f} ms"


def plan_for(costs: StageCosts, cores: float, sizes: Sequence[int] = SIZES, fixed: bool = False) -> MachinePlan:
    """Chooses frame size and rate for one session.

    Args:
        costs: stage costs.
        cores: CPU cores available to this process; may be a fraction.
        sizes: frame sizes, largest first; ``costs`` must include each.
        fixed: prefer the largest size, at the highest rate that fits, if there is one.
    """
    choices = _downwards(Rung(sizes[0], FRAME_RATES[0]), sizes)
    if fixed:
        choices = [Rung(sizes[0], rate) for rate in FRAME_RATES] + [Rung(size, FRAME_RATES[-1]) for size in sizes[1:]]
    chosen = next((rung for rung in choices if costs.load(rung, cores) <= MAX_LOAD_SHARE), choices[-1])
    work = costs.recognize / chosen.frame_rate + costs.frame(chosen.size) + costs.encode[chosen.size]
    feasible = costs.load(chosen, cores) < HOPELESS
    return MachinePlan(chosen, _budget(costs, chosen), work, cores, feasible, tuple(sizes))


def _downwards(best: Rung, sizes: Sequence[int]) -> list[Rung]:
    """Return the rungs from ``best`` down: ever smaller frames, then the smallest at ever lower rates."""
    smaller = [Rung(size, best.frame_rate) for size in sizes if size <= best.size]
    return smaller + [Rung(sizes[-1], rate) for rate in FRAME_RATES if rate < best.frame_rate]


def _budget(costs: StageCosts, rung: Rung) -> Tick:
    ticks = round(BUDGET_MARGIN * costs.frame(rung.size) * TICK_RATE) + HANDOVER
    return min(max(ticks, MIN_BUDGET_TICKS), MAX_BUDGET_TICKS)
