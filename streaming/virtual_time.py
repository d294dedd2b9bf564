"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it.

Runs on: the caller's thread. Sessions run here faster or slower than real time with deterministic results; the basis of
offline rendering and of the timing tests.
"""

import asyncio
import selectors

from streaming.engine import Engine
from streaming.scheduling.jobs import AnyJob
from streaming.scheduling.overload import OverloadLadder
from streaming.scheduling.plan import FRAME_RATES, Rung
from streaming.scheduling.scheduler import run_batch
from streaming.scheduling.slots import SlotLease
from streaming.scheduling.worker import Worker


class _JumpingSelector(selectors.SelectSelector):
    """Advances the clock instead of sleeping until the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Event loop that starts at time 0 and never blocks on timers."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class InlineWorker(Worker):
    """Runs every job at once on the caller's thread; in virtual time a model takes no time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(lambda: asyncio.get_running_loop().time())
        self.engine = engine
        self.ladder = OverloadLadder([Rung(engine.size, FRAME_RATES[0])])
        self._generation = 0

    def lease(self) -> SlotLease:
        """Return a new slot for each session."""
        self._generation += 1
        return SlotLease(self._generation - 1, self._generation)

    async def prepare(self, avatar: str, size: int) -> None:
        """Loads an avatar for frames of ``size``."""
        self.engine.prepare(avatar, size)

    def submit(self, job: AnyJob) -> None:
        """Runs the job now; an error of the engine is raised here."""
        for answer in run_batch(self.engine, [job]):
            answer.deliver()
