"""Proves when each frame is released, and what is counted."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from waiting import virtual_seconds

from streaming.clock import MediaClock
from streaming.frames.elastic_delay import MAX_ADDED_DELAY_TICKS, DelaySeen, ElasticDelay
from streaming.frames.frame_buffer import FrameBuffer
from streaming.frames.frame_clock import FrameClock
from streaming.latency import LatencyPlan
from streaming.media import RenderedFrame
from streaming.scheduling.plan import Rung
from streaming.stats import SessionStats
from streaming.units import FRAME_TICKS
from streaming.virtual_time import VirtualTimeLoop

PLAN = LatencyPlan(2_880)


class Listening:
    """Replaces the overload ladder and records its input."""

    rung = Rung(512, 30)

    def __init__(self) -> None:
        self.troubled: list[bool] = []
        self.sending: list[float] = []

    def frame(self, now: float, troubled: bool) -> None:
        self.troubled.append(troubled)

    def sent(self, now: float, took: float, size: int) -> None:
        self.sending.append(took)


class Scene:
    """A screen at the beginning of its clock."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        clock = MediaClock(PLAN.delay, loop.time)
        clock.start(PLAN.preroll)
        self.ladder, self.delay, self.stats = Listening(), ElasticDelay(), SessionStats(DelaySeen.of(PLAN.delay))
        worker: Any = SimpleNamespace(ladder=self.ladder)
        self.grid = FrameClock(clock, PLAN, worker)
        self.screen = FrameBuffer(self.grid, worker, self.delay, self.stats)
        self.epoch = 0

    def put(self, index: int, after: float, epoch: int = 0) -> None:
        """Frame ``index`` is ready ``after`` seconds after it is due."""
        frame = RenderedFrame(index * FRAME_TICKS, epoch, np.full((3, 2), index, np.uint8))
        loop = asyncio.get_running_loop()
        loop.call_at(self.grid.due(frame.tick) + after, self.screen.put, frame)

    async def next(self) -> tuple[int, float]:
        """Index of the next frame, and by how many seconds it was late."""
        frame = await self.screen.next(lambda: self.epoch)
        return frame.index, asyncio.get_running_loop().time() - self.grid.due(frame.tick)


def virtually(scenario: Callable[[Scene], Awaitable[None]]) -> Scene:
    async def main() -> Scene:
        scene = Scene()
        await scenario(scene)
        return scene

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


def test_a_frame_leaves_when_it_is_due_and_a_late_one_when_it_is_ready() -> None:
    async def scenario(scene: Scene) -> None:
        for index, after in enumerate((-0.03, -0.001, 0.015, -0.01)):
            scene.put(index, after)
        left = [await scene.next() for _ in range(4)]
        assert [index for index, _ in left] == [0, 1, 2, 3]
        assert [round(late, 3) for _, late in left] == [0, 0, 0.015, 0]

    stats = virtually(scenario).stats
    assert (stats.fresh, stats.overdue, stats.missing) == (3, 1, 0)


def test_of_several_overdue_frames_the_newest_leaves() -> None:
    async def scenario(scene: Scene) -> None:
        for index in range(4):
            scene.put(index, -0.01)
        await scene.next()
        await virtual_seconds(0.1)  # as long as the way out of a picture may take
        assert (await scene.next())[0] == 3
        assert scene.ladder.sending == [pytest.approx(0.1)]
        assert scene.ladder.troubled == [False, True]

    assert virtually(scenario).stats.missing == 2


def test_a_frame_of_an_interrupted_epoch_is_stale() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put(0, -0.01)
        scene.put(1, -0.01, epoch=1)
        scene.epoch = 1
        assert (await scene.next())[0] == 1

    virtually(scenario)


def test_what_is_much_too_late_gets_the_time_of_its_leaving() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put(0, 0.5)
        index, late = await scene.next()
        assert index == 15 and late < 1 / 30
        assert scene.ladder.troubled == [True], "no delay would help"
        scene.put(16, -0.001)
        assert (await scene.next())[0] == 16

    virtually(scenario)


def test_lateness_is_trouble_only_where_a_longer_delay_does_not_help() -> None:
    async def scenario(scene: Scene) -> None:
        for index in range(2):
            scene.put(index, 0.02)
        await scene.next()
        scene.delay.added = MAX_ADDED_DELAY_TICKS
        await scene.next()
        assert scene.ladder.troubled == [False, True]

    virtually(scenario)
