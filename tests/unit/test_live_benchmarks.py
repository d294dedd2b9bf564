"""Proves that the benchmarks of the running system refuse senseless options and count late frames."""

import argparse
from typing import Any

import numpy as np
import pytest
from deterministic_engine import DeterministicEngine

from server.benchmarks import batch, capacity, churn, interruption, latency, soak, switch
from streaming.media import VideoImage
from streaming.schedule import JobKind
from streaming.worker import BatchWorker
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
        (soak, {"minutes": 0.1}),
        (switch, {"times": 0}),
    ],
)
def test_senseless_options_are_refused_with_a_sentence(module: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^--"):
        module.run(argparse.Namespace(**options, size=256, device="cpu", json=True))


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
            await worker.submit(JobKind.CONTROL, lease, lambda e, slot=slot: e.open(slot, "ada", "calm", 1.0), 0)
        step = await batch._measure(worker, leases, 1.5, "cpu")
    finally:
        await worker.aclose()
    assert step.sessions == 2
    assert (step.late_share > 0.9) == late


def test_a_switch_is_timed_to_the_first_frame_that_was_not_left_out() -> None:
    choices = [
        {"kind": "style", "chosen": 1_000.0, "frame": 7, "shown": 1_110.0},
        {"kind": "style", "chosen": 2_000.0, "frame": 40, "shown": 2_130.0},
        {"kind": "avatar", "chosen": 3_000.0, "frame": 70, "shown": 3_150.0},
    ]
    figures = switch.summary(choices, {6: 990.0, 8: 1_020.0, 40: 2_040.0, 70: 3_010.0, 71: 3_043.0})
    assert (figures["style_shown_p50_ms"], figures["style_shown_max_ms"]) == (120, 130)
    assert (figures["style_waited_p50_ms"], figures["style_waited_max_ms"]) == (30, 40)
    assert (figures["avatar_shown_max_ms"], figures["avatar_waited_max_ms"]) == (150, 10)


async def test_pictures_are_marked_after_every_second_switch() -> None:
    class Played:
        shown, settled = 0, 0

        async def set_style(self, *choice: object) -> int:
            return self.settled

        set_avatar = set_style

        async def next_image(self) -> VideoImage:
            self.shown += 1
            return VideoImage(self.shown, 0, np.full((96, 64), 40, np.uint8))

    session: Any = Played()
    switch.Switches().watch(session)
    session.settled = 3
    await session.set_style("happy", 1.0, 0.0)
    session.settled = 5
    await session.set_avatar("bob")
    white = [bool((await session.next_image()).yuv[0, 0] > 200) for _ in range(6)]
    assert white == [False, False, True, True, False, False]
