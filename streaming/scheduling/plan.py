"""The plan made for one machine: how large and how many its pictures are, from what one frame of every stage costs.

Pure. Choices are tried in the order of the overload ladder: smaller pictures first, then fewer. The first one whose
work fits the processors with room to spare is taken, so a slower machine never gets larger pictures or more of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streaming.units import TICK_RATE, Tick

SIZES: Final = (512, 384, 256)
"""Widths and heights of pictures in pixels, largest first."""
FRAME_RATES: Final = (30, 20, 15, 10)
"""Pictures a second, most first; each divides the ticks of a second into whole steps."""
MAX_LOAD_SHARE: Final = 0.65
"""Share of the worker's time, and of all processors, that one session may take; see `StageCosts.load`."""
HOPELESS: Final = 0.85
"""Load of the smallest pictures at the lowest rate from which on calls make no sense."""
CALL_WORK: Final = 0.05
"""Seconds of work per second for what is not measured: packets in and out, Opus, encryption."""
MIN_BUDGET_TICKS: Tick = 1_440  # 30 ms
MAX_BUDGET_TICKS: Tick = 7_200  # 150 ms
BUDGET_MARGIN: Final = 2.0
"""Times what a frame takes: it may have to wait for another stage, or another program, as long again."""
HANDOVER: Tick = 384
"""8 ms on the way from the clock to the worker and back."""


@dataclass(frozen=True, slots=True)
class Rung:
    """How good a picture is: ``size`` pixels, ``frame_rate`` a second; ``admits``: new sessions are taken."""

    size: int
    frame_rate: int
    admits: bool = True


@dataclass(frozen=True, slots=True)
class StageCosts:
    """What the stages of one session cost, in seconds of work.

    ``recognize`` per second of sound; ``decode``, and ``render`` and ``encode`` by picture size, per picture.
    """

    recognize: float
    decode: float
    render: Mapping[int, float]
    encode: Mapping[int, float]

    @classmethod
    def nothing(cls, sizes: Sequence[int]) -> "StageCosts":
        """Of a machine that takes no time."""
        free = dict.fromkeys(sizes, 0.0)
        return cls(0.0, 0.0, free, free)

    def frame(self, size: int) -> float:
        """Seconds on the worker for one picture."""
        return self.decode + self.render[size]

    def all_work(self, rung: Rung) -> float:
        """Seconds of work per second on all threads."""
        return self._model_work(rung) + rung.frame_rate * self.encode[rung.size] + CALL_WORK

    def load(self, rung: Rung, cores: float) -> float:
        """Share of what there is on ``cores`` processors: of the one that the worker's thread can use, or of all."""
        return max(self._model_work(rung) / min(1.0, cores), self.all_work(rung) / cores)

    def _model_work(self, rung: Rung) -> float:
        return self.recognize + rung.frame_rate * self.frame(rung.size)


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """What sessions start with.

    Attributes:
        best: picture size and rate.
        budget: ticks from the start of a frame's decoding until its picture must be there.
        work: seconds of work of all stages for one picture.
        cores: processors that it was made for.
        feasible: False where even the smallest pictures at the lowest rate are too much.
        sizes: of pictures that may be shown, largest first.
    """

    best: Rung
    budget: Tick
    work: float
    cores: float
    feasible: bool
    sizes: tuple[int, ...]

    def rungs(self) -> list[Rung]:
        """The best and everything below it: smaller, then fewer, then no more sessions."""
        below = _downwards(self.best, self.sizes)
        return [*below, replace(below[-1], admits=False)]

    def described(self) -> str:
        """In plain words, such as "512 px at 30 frames a second, 11 ms of 33 ms"."""
        best = self.best
        if not self.feasible:
            return (
                f"This machine is too slow for calls: a picture of {best.size} px takes {self.work * 1000:.0f} ms of "
                f"work, and {best.frame_rate} a second cannot be made with {self.cores:g} processors."
            )
        period = 1000 / best.frame_rate
        return f"{best.size} px at {best.frame_rate} frames a second, {self.work * 1000:.0f} ms of {period:.0f} ms"


def plan_for(costs: StageCosts, cores: float, sizes: Sequence[int] = SIZES, fixed: bool = False) -> MachinePlan:
    """Chooses for one session on ``cores`` processors, which may be a fraction.

    Args:
        costs: of the stages.
        cores: processors that this program may use.
        sizes: picture sizes, largest first; ``costs`` knows each.
        fixed: start with the largest whatever it costs, at the highest rate that fits where one does.
    """
    choices = _downwards(Rung(sizes[0], FRAME_RATES[0]), sizes)
    if fixed:
        choices = [Rung(sizes[0], rate) for rate in FRAME_RATES] + [Rung(size, FRAME_RATES[-1]) for size in sizes[1:]]
    chosen = next((rung for rung in choices if costs.load(rung, cores) <= MAX_LOAD_SHARE), choices[-1])
    work = costs.recognize / chosen.frame_rate + costs.frame(chosen.size) + costs.encode[chosen.size]
    feasible = costs.load(chosen, cores) < HOPELESS
    return MachinePlan(chosen, _budget(costs, chosen), work, cores, feasible, tuple(sizes))


def _downwards(best: Rung, sizes: Sequence[int]) -> list[Rung]:
    """From ``best`` on smaller and smaller pictures, then the smallest at lower and lower rates."""
    smaller = [Rung(size, best.frame_rate) for size in sizes if size <= best.size]
    return smaller + [Rung(sizes[-1], rate) for rate in FRAME_RATES if rate < best.frame_rate]


def _budget(costs: StageCosts, rung: Rung) -> Tick:
    ticks = round(BUDGET_MARGIN * costs.frame(rung.size) * TICK_RATE) + HANDOVER
    return min(max(ticks, MIN_BUDGET_TICKS), MAX_BUDGET_TICKS)
