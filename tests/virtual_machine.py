"""A machine in virtual time: one worker with configurable stage costs, and a session on it.

Like the real worker, it runs one batch at a time, with the real scheduler and the real overload ladder.
"""

import asyncio
from collections.abc import Callable

import numpy as np
from deterministic_engine import DeterministicEngine
from waiting import virtual_seconds

from streaming.clock import MediaClock
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk, RenderedFrame
from streaming.scheduling.jobs import AnyJob, JobKind, expected
from streaming.scheduling.overload import OverloadLadder
from streaming.scheduling.plan import Rung, StageCosts, plan_for
from streaming.scheduling.scheduler import Schedule, run_batch
from streaming.scheduling.slots import SlotLease
from streaming.scheduling.worker import Worker
from streaming.session import Session, Settings
from streaming.units import PACKET_TICKS, TICK_RATE, Tick
from streaming.virtual_time import VirtualTimeLoop

COSTS = StageCosts(0.05, 0.003, {512: 0.014, 384: 0.008, 256: 0.0035}, {512: 0.004, 384: 0.0025, 256: 0.0015})
"""Of an ordinary machine: 56 % of the worker's time at 512 px and 30 fps."""
Slowness = Callable[[float, JobKind], float]
"""How many times longer than its costs a batch takes that begins at a moment."""


class VirtualWorker(Worker):
    """Runs one batch at a time."""

    def __init__(self, slowness: Slowness, spare: Callable[[float], float | None] = lambda now: None) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.engine = DeterministicEngine(size=512)
        self.plan = plan_for(COSTS, 2.0)
        self.ladder = OverloadLadder(self.plan.rungs(), COSTS, cores=2.0, spare=lambda: spare(self._now()))
        self._slowness = slowness
        self._schedule = Schedule()
        self._filled = asyncio.Event()
        self._leases = 0

    def lease(self) -> SlotLease:
        self._leases += 1
        return SlotLease(self._leases, self._leases)

    async def prepare(self, avatar: str, size: int) -> None:
        self.engine.prepare(avatar, size)

    def submit(self, job: AnyJob) -> None:
        self._schedule.add(job)
        self._filled.set()

    async def run(self) -> None:
        while True:
            while not len(self._schedule):
                self._filled.clear()
                await self._filled.wait()
            jobs = self._schedule.take()
            answers = run_batch(self.engine, jobs)
            cost = expected(COSTS, answers)
            took = cost * self._slowness(self._now(), jobs[0].kind)
            await virtual_seconds(took)
            self.ladder.ran(self._now(), took, cost)
            for answer in answers:
                answer.deliver()


class VirtualCall:
    """A session with a microphone that speaks noise, and what came of it."""

    def __init__(self, worker: VirtualWorker, encoding: float = 0.0) -> None:
        """``encoding``: factor by which encoding a frame takes longer than its cost."""
        loop = asyncio.get_running_loop()
        plan = LatencyPlan(worker.engine.recognizer_delay_ticks, budget=worker.plan.budget)
        clock = MediaClock(plan.delay, loop.time)
        self.worker = worker
        self.session = Session(worker, worker.lease(), plan, clock, Settings("ada", "calm"), seed=0)
        self.sound: list[tuple[float, AudioChunk]] = []
        self.pictures: list[tuple[float, RenderedFrame, float]] = []
        """(time, frame, seconds after it was due)"""
        self.rungs: list[tuple[float, Rung]] = []
        self.delays: list[tuple[float, Tick]] = []
        self._encoding = encoding

    async def speak(self, samples: np.ndarray) -> None:
        """(n,) int16, 20 ms at a time."""
        loop, capture = asyncio.get_running_loop(), self.session.capture_tick()
        began = loop.time()
        for start in range(0, len(samples), PACKET_TICKS):
            await virtual_seconds(began + (start + PACKET_TICKS) / TICK_RATE - loop.time())
            self.session.push_audio(AudioChunk(capture + start, 0, samples[start : start + PACKET_TICKS]))

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            chunk = await self.session.next_audio()
            self.sound.append((loop.time(), chunk))
            if not self.delays or self.delays[-1][1] != self.session.clock.delay:
                self.delays.append((loop.time(), self.session.clock.delay))

    async def watch(self) -> None:
        loop, session = asyncio.get_running_loop(), self.session
        while True:
            frame = await session.next_frame()
            due = session.clock.deadline(frame.tick) + session.plan.frame_lag / TICK_RATE
            self.pictures.append((loop.time(), frame, loop.time() - due))
            if not self.rungs or self.rungs[-1][1] != self.worker.ladder.rung:
                self.rungs.append((loop.time(), self.worker.ladder.rung))
            await virtual_seconds(self._encoding * COSTS.encode[frame.yuv.shape[1]])

    def between(self, begin: float, end: float) -> list[tuple[float, RenderedFrame, float]]:
        """The frames released from ``begin`` to ``end``."""
        return [row for row in self.pictures if begin <= row[0] < end]

    def rate(self, begin: float, end: float) -> float:
        """Frames per second."""
        return len(self.between(begin, end)) / (end - begin)

    def intervals(self, begin: float, end: float) -> np.ndarray:
        """Seconds between successive frames."""
        return np.diff([moment for moment, _, _ in self.between(begin, end)])


def call(
    seconds: float,
    slowness: Slowness,
    spare: Callable[[float], float | None] = lambda now: None,
    samples: np.ndarray | None = None,
    encoding: float = 0.0,
) -> VirtualCall:
    """A call of so many seconds on a machine that is so slow."""

    async def main() -> VirtualCall:
        worker = VirtualWorker(slowness, spare)
        made = VirtualCall(worker, encoding)
        running = asyncio.create_task(worker.run())
        await made.session.open()
        made.session.start()
        spoken = speech(seconds) if samples is None else samples
        work = (made.session.run(), made.listen(), made.watch(), made.speak(spoken))
        tasks = [running, *(asyncio.create_task(part) for part in work)]
        await virtual_seconds(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return made

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


def speech(seconds: float) -> np.ndarray:
    """(n,) int16: phrases of two seconds and pauses of half a one, no two samples in a row alike."""
    samples = np.random.default_rng(0).integers(1, 9_000, round(seconds * TICK_RATE)).astype(np.int16)
    at = np.arange(len(samples)) / TICK_RATE
    samples[at % 2.5 > 2] //= 100
    return samples
