"""Proves that the benchmarks of the running system reject invalid options and count late frames."""

import argparse
import itertools
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from waiting import blocking_until, turns

from server.lab.benchmarks import batch, capacity, churn, interruption, latency, machine, soak, stopwatch, switch
from server.lab.benchmarks.adaptation import Adaptation
from server.lab.benchmarks.busy import busy_loops
from streaming.frames.composer import Composer
from streaming.frames.elastic_delay import DelaySeen
from streaming.media import RenderedFrame
from streaming.scheduling.batch_worker import BatchWorker
from streaming.stats import SessionStats
from streaming.units import FRAME_TICKS
from streaming.virtual_time import InlineWorker
from styletalk_core.errors import InputError


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (batch, {"seconds": 1, "sessions": [1]}),
        (batch, {"seconds": 5, "sessions": [0]}),
        (capacity, {"seconds": 1, "most": 4}),
        (churn, {"cycles": 0, "together": 1}),
        (interruption, {"times": 0}),
        (latency, {"seconds": 1, "loss": 0}),
        (latency, {"seconds": 10, "loss": 70}),
        (latency, {"seconds": 10, "loss": 0, "busy": -1}),
        (soak, {"minutes": 0.1}),
        (switch, {"times": 0}),
    ],
)
def test_invalid_options_are_rejected_with_a_sentence(module: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^--"):
        module.run(argparse.Namespace(**({"busy": 0} | options), size=256, device="cpu", json=True))


@pytest.mark.parametrize(("cost", "late"), [(0.001, False), (0.2, True)])
async def test_the_batch_benchmark_tells_a_device_that_keeps_up_from_one_that_does_not(cost: float, late: bool) -> None:
    engine = DeterministicEngine(cost={"decode": cost})
    worker = BatchWorker(lambda: engine, 2)
    worker.start()
    try:
        await worker.wait_ready()
        leases = [worker.lease() for _ in range(2)]
        for lease in leases:
            slot = lease.slot
            await worker.control(lease, lambda e, slot=slot: e.open(slot, "ada", "calm", 1.0))
        step = await batch._measure(worker, leases, 1.5, "cpu")
    finally:
        await worker.aclose()
    assert step.sessions == 2
    assert (step.late_share > 0.9) == late


def test_a_switch_is_timed_to_the_first_frame_that_was_not_skipped() -> None:
    choices = [
        {"kind": "style", "chosen": 1_000.0, "frame": 7, "shown": 1_110.0},
        {"kind": "style", "chosen": 2_000.0, "frame": 40, "shown": 2_130.0},
        {"kind": "avatar", "chosen": 3_000.0, "frame": 70, "shown": 3_150.0},
    ]
    begun = {6: 990.0, 8: 1_020.0, 40: 2_040.0, 70: 3_010.0, 71: 3_043.0}
    figures = switch.summary(choices, {frame * FRAME_TICKS: moment for frame, moment in begun.items()})
    assert (figures["style_shown_p50_ms"], figures["style_shown_max_ms"]) == (120, 130)
    assert (figures["style_waited_p50_ms"], figures["style_waited_max_ms"]) == (30, 40)
    assert (figures["avatar_shown_max_ms"], figures["avatar_waited_max_ms"]) == (150, 10)


async def test_frames_are_marked_after_every_second_switch() -> None:
    class Played:
        shown, settled = 0, 0

        async def set_style(self, *choice: object) -> int:
            return self.settled

        set_avatar = set_style

        async def next_frame(self) -> RenderedFrame:
            self.shown += 1
            return RenderedFrame(self.shown * FRAME_TICKS, 0, np.full((96, 64), 40, np.uint8))

    session: Any = Played()
    switch.Switches().watch(session)
    session.settled = 3
    await session.set_style("happy", 1.0, 0.0)
    session.settled = 5
    await session.set_avatar("bob")
    white = [bool((await session.next_frame()).yuv[0, 0] > 200) for _ in range(6)]
    assert white == [False, False, True, True, False, False]


def watch(*flashes: int) -> Any:
    return argparse.Namespace(flashes=list(flashes))


@pytest.mark.parametrize("size", [256, 384, 512])
def test_a_flash_covers_what_the_page_reads_at_every_size(size: int) -> None:
    frame = RenderedFrame(0, 0, np.full((size * 3 // 2, size), 40, np.uint8))
    marked = stopwatch.flashing(frame).yuv
    assert (marked[8:24, 8:24] > 200).all() and (frame.yuv == 40).all()
    shade = marked[size:].reshape(2, size // 2, size // 2)
    assert (shade[:, 4:12, 4:12] == 128).all() and (shade[:, 24:] == 40).all()


def test_shown_frames_are_found_by_their_media_time_at_any_rate() -> None:
    """20 a second: 2400 ticks, 4500 in RTP time, which begins anywhere and wraps."""
    origin, ticks = (1 << 32) - 9_000, [2_400 * k for k in range(10)]
    seen = [(1_000.0 + 50 * k, (origin + 4_500 * k) % (1 << 32), k in (3, 7)) for k in range(10)]
    shown = latency._shown_frames(watch(7_200, 16_800), seen)
    assert shown == {tick: 1_000.0 + 50 * k for k, tick in enumerate(ticks)}
    assert latency._shown_frames(watch(), seen) == {}


def test_a_frame_counts_once_and_pace_and_recovery_are_reported() -> None:
    slow, fast = np.arange(0, 5_000, 1000 / 15), np.arange(5_000, 12_000, 1000 / 30)
    frames = [(float(moment), k, False) for k, moment in enumerate([*slow, *fast])]
    moments = latency._moments([*frames, (99_999.0, 3, False)])
    assert len(moments) == len(frames) and moments[-1] == fast[-1]
    pace = latency._pace(slow, [400, -400, 10, -20, 30])
    assert (pace["fps"], pace["frame_interval_p95_ms"]) == (15, 66.7)
    assert pace["skew_mean_ms"] == 6.7 and 20 < pace["skew_p95_ms"] <= 30
    assert latency.recovery_seconds(moments, ended=3_000.0) == pytest.approx(2, abs=0.15)
    assert latency.recovery_seconds(slow, ended=1_000.0) is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system does not tell processor times")
def test_busy_loops_keep_each_its_core_busy_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    loops, popen = list[subprocess.Popen[bytes]](), subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: loops.append(popen(*args, **kwargs)) or loops[-1])
    with busy_loops(2):
        blocking_until(lambda: all(machine._used_by_tree(loop.pid) > 10 for loop in loops))
    assert len(loops) == 2 and all(loop.returncode is not None for loop in loops)


def test_the_adaptation_of_a_session_is_reported() -> None:
    delay = DelaySeen.of(7_200)
    for now in (9_120, 7_680):
        delay.follow(now)
    session = argparse.Namespace(stats=SessionStats(delay, size_changes=2), size=384)
    told = Adaptation.of(argparse.Namespace(media_session=session))  # type: ignore[arg-type]
    assert told == Adaptation(384, 2, {"first": 150.0, "largest": 190.0, "last": 160.0})


def test_the_cost_of_a_session_is_reported_even_below_the_full_rate() -> None:
    one, two = capacity.CapacityStep(1, 30.0, 0.0, 0.4, 600.0), capacity.CapacityStep(2, 21.0, 0.3, 0.9, 650.0)
    told = capacity._summary([one, two], empty=500.0)
    assert (told["sessions"], told["at_full_rate"], told["cpu_per_session"]) == (1, True, 0.4)
    slow = capacity.CapacityStep(1, 6.5, 0.58, 0.6, 600.0)
    told = capacity._summary([slow], empty=500.0)
    assert (told["sessions"], told["at_full_rate"], told["cpu_per_session"]) == (0, False, 0.6)
    assert (told["fps"], told["memory_mb_per_session"]) == (6.5, 100.0)


async def test_a_frame_is_timed_from_decoding_to_rendering() -> None:
    engine = DeterministicEngine()
    worker, moments = InlineWorker(engine), itertools.count(1)
    lease = worker.lease()
    engine.open(lease.slot, "ada", "calm", 1.0)
    watch: Any = argparse.Namespace(
        now=lambda: float(next(moments)), captured=lambda tick: tick / 48_000, frames={}, _decoding={}
    )
    worker.submit = partial(stopwatch.Stopwatch._submit, watch, worker.submit)  # type: ignore[method-assign]
    decoded = await worker.decode(lease, np.zeros((11, 41), np.float32), 0.5)
    await turns()  # the callbacks of a future that is done run in the next turn of the loop
    await worker.render(lease, Composer(0).compose(4_800, 0, decoded, True, 0.1), 0.5)
    await turns()
    assert watch.frames == {4_800: stopwatch.FrameMoments(0.1, 1.0, 2.0, 3.0, 4.0)}
