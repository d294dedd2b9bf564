"""Proves that the loop monitor distinguishes blocking by the program from waiting for a CPU."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from server.lab.benchmarks.loop_monitor import NAP_SECONDS, Bystander, LoopMonitor, slowness


@dataclass
class Machine:
    """A machine with given sleeps: (delay, CPU time, time waiting for a CPU) each, in seconds."""

    naps: list[tuple[float, float, float]]
    now: float = 0.0
    worked: float = 0.0
    waited: float = 0.0

    async def nap(self, seconds: float) -> None:
        if not self.naps:
            raise asyncio.CancelledError
        late, worked, waited = self.naps.pop(0)
        self.now += seconds + late
        self.worked += worked
        self.waited += waited


USUAL = np.array([(0.001 * k, 0.0002) for k in range(1_000)])
"""A bystander whose work always takes as long."""


async def figures(*naps: tuple[float, float, float], bystander: NDArray[np.float64] = USUAL) -> dict[str, float]:
    machine = Machine(list(naps))
    monitor = LoopMonitor(
        lambda: machine.now, lambda: machine.worked, lambda: lambda: machine.waited, sleep=machine.nap
    )
    with pytest.raises(asyncio.CancelledError):
        await monitor.run()
    return monitor.figures(bystander)


async def test_delays_are_distinguished_by_cause() -> None:
    seen = await figures((0.001, 0.001, 0), (0.030, 0.002, 0.025), (0.015, 0.014, 0), (0.024, 0.001, 0.001))
    assert seen["loop_block_max_ms"] == pytest.approx(30)
    assert seen["loop_processor_wait_max_ms"] == pytest.approx(25)
    assert seen["loop_cpu_max_ms"] == pytest.approx(14)
    assert seen["loop_own_max_ms"] == pytest.approx(23), "waiting for the interpreter is the program's own doing"
    assert (seen["loop_blocks_over_20_ms"], seen["loop_own_over_20_ms"]) == (2, 1)


async def test_what_a_slow_machine_adds_is_not_the_programs_own() -> None:
    slow = USUAL.copy()
    slow[10:40, 1] *= 10
    seen = await figures((0.0, 0.001, 0), (0.045, 0.045, 0), (0.0, 0.001, 0), (0.012, 0.012, 0), bystander=slow)
    assert seen["loop_block_max_ms"] == pytest.approx(45)
    assert seen["loop_own_max_ms"] == pytest.approx(12), "the machine was as usual by then"
    assert slowness(slow, 0.015, 0.020) == pytest.approx(10)
    assert slowness(slow, 0.100, 0.200) == pytest.approx(1)
    assert slowness(slow, 5.0, 6.0) == 1


def test_the_bystander_looks_on_from_a_process_of_its_own() -> None:
    bystander = Bystander()
    with bystander.at_work():
        time.sleep(0.5)  # the other process measures real time and tells only at its end
    assert len(bystander.samples) > 1
    assert (np.diff(bystander.samples[:, 0]) > 0).all() and (bystander.samples[:, 1] > 0).all()


async def test_a_wait_within_a_nap_that_was_in_time_takes_nothing_from_another() -> None:
    seen = await figures((0.0, 0.001, NAP_SECONDS), (0.010, 0.010, 0))
    assert seen["loop_own_max_ms"] == pytest.approx(10)


async def test_a_real_loop_that_is_kept_busy_is_seen() -> None:
    monitor = LoopMonitor()
    watching = asyncio.create_task(monitor.run())
    await asyncio.sleep(0.05)  # some naps of the monitor, on the real clock, before the block
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        pass
    await asyncio.sleep(0.05)  # and after it
    watching.cancel()
    seen = monitor.figures(USUAL)
    assert seen["loop_block_max_ms"] > 90 and seen["loop_cpu_max_ms"] > 90
    assert seen["loop_own_max_ms"] > 90, "waiting for a processor is not the program's own, but its work is"
    assert seen["loop_blocks_over_20_ms"] >= 1
