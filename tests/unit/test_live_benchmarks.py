"""Proves that the benchmarks of the running system refuse senseless options and count late frames."""

import argparse
from typing import Any

import pytest
from deterministic_engine import DeterministicEngine

from server.benchmarks import batch, capacity, churn, interruption, latency, soak
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
