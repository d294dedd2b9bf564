"""Proves leases, batching, isolation of failures, restart and orderly shutdown of the worker thread."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from waiting import until

from streaming.errors import ControlFailed, EngineFailure, WorkerFull
from streaming.scheduling.batch_worker import BatchWorker, Machine
from streaming.scheduling.slots import SlotLease
from styletalk_core.errors import NotFound

WINDOW = np.zeros((11, 41), np.float32)


@asynccontextmanager
async def running(engine: DeterministicEngine, slots: int = 4) -> AsyncIterator[BatchWorker]:
    threads = threading.enumerate()
    worker = BatchWorker(lambda: engine, slots, machine=Machine(8.0, sizes=(64,), fixed=True))
    worker.start()
    await asyncio.wait_for(worker.wait_ready(), 60)
    try:
        yield worker
    finally:
        await worker.aclose()
    assert "model-worker" not in {thread.name for thread in threading.enumerate() if thread not in threads}


async def opened(worker: BatchWorker) -> SlotLease:
    lease = worker.lease()
    await worker.control(lease, lambda e: e.open(lease.slot, "ada", "calm", 1.0))
    return lease


def gated() -> tuple[DeterministicEngine, threading.Event]:
    """An engine that decodes a batch only when the event is set."""
    gate = threading.Event()
    return DeterministicEngine(cost={"decode": 1.0}, sleep=lambda _: gate.wait(60)), gate


def decoding(engine: DeterministicEngine) -> bool:
    """Whether a batch has been begun."""
    return any(kind == "decode" for kind, _ in engine.calls)


def soon() -> float:
    return time.monotonic() + 5


async def test_slots_are_leased_once_refused_when_gone_and_free_again_after_release() -> None:
    async with running(DeterministicEngine(), slots=2) as worker:
        first, second = await opened(worker), await opened(worker)
        assert {first.slot, second.slot} == {0, 1}
        with pytest.raises(WorkerFull):
            worker.lease()
        await worker.release(first)
        third = worker.lease()
        assert third.slot == first.slot and third.generation > second.generation


async def test_jobs_that_wait_together_run_as_one_batch() -> None:
    engine, gate = gated()
    async with running(engine) as worker:
        leases = [await opened(worker) for _ in range(4)]
        blocker = worker.decode(leases[0], WINDOW, soon())
        await until(lambda: decoding(engine))
        rest = [worker.decode(lease, WINDOW, soon()) for lease in leases[1:]]
        gate.set()
        await asyncio.gather(blocker, *rest)
    assert [len(slots) for kind, slots in engine.calls if kind == "decode"] == [1, 3]


async def test_a_job_of_an_ended_session_is_not_run() -> None:
    engine = DeterministicEngine()
    async with running(engine) as worker:
        lease = await opened(worker)
        await worker.release(lease)
        with pytest.raises(EngineFailure):
            await worker.decode(lease, WINDOW, soon())
    assert not [call for call in engine.calls if call[0] == "decode"]


async def test_jobs_that_wait_when_their_session_ends_are_not_run() -> None:
    engine, gate = gated()
    async with running(engine) as worker:
        lease, other = await opened(worker), await opened(worker)
        blocker = worker.decode(other, WINDOW, soon())
        await until(lambda: decoding(engine))
        waiting = worker.decode(lease, WINDOW, soon())
        asyncio.get_running_loop().call_soon(gate.set)  # once the release has taken the job away
        await worker.release(lease)
        with pytest.raises(EngineFailure, match="ended"):
            await waiting
        await blocker
    assert [slots for kind, slots in engine.calls if kind == "decode"] == [(other.slot,)]


async def test_a_frame_whose_time_has_passed_is_made_all_the_same() -> None:
    async with running(DeterministicEngine()) as worker:
        lease = await opened(worker)
        assert (await worker.decode(lease, WINDOW, time.monotonic() - 1)).shape == (64,)


async def test_a_failed_batch_ends_its_own_session_only() -> None:
    engine = DeterministicEngine()
    async with running(engine) as worker:
        victim, other = await opened(worker), await opened(worker)
        engine.fail_next["decode"] = 1
        with pytest.raises(EngineFailure, match="decoder"):
            await worker.decode(victim, WINDOW, soon())
        assert (await worker.decode(other, WINDOW, soon())).shape == (64,)
        assert worker.ready


async def test_asking_for_the_impossible_is_not_a_failure() -> None:
    async with running(DeterministicEngine()) as worker:
        lease = worker.lease()
        for _ in range(5):
            with pytest.raises(NotFound, match="nobody"):
                await worker.control(lease, lambda e: e.open(lease.slot, "nobody", "calm", 1.0))
        assert worker.ready


async def test_a_stray_value_error_of_a_control_job_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """However often it comes, the engine that serves the other sessions is not built again."""
    async with running(DeterministicEngine()) as worker:
        lease = await opened(worker)
        for _ in range(4):
            with pytest.raises(ControlFailed):
                await worker.control(lease, lambda _: np.zeros(3).reshape(2, 2))
        assert worker.ready and worker.failures() == {"control": 4}
    assert caplog.text.count("ValueError: cannot reshape array of size 3") == 4


async def test_three_failures_in_a_row_make_the_worker_unready_and_restart_it() -> None:
    lost = threading.Event()
    engine = DeterministicEngine(cost={"warmup": 1.0}, sleep=lambda _: lost.wait(60))
    lost.set()
    async with running(engine) as worker:
        lost.clear()
        lease = await opened(worker)
        engine.fail_next.update(decode=3, warmup=1)
        for _ in range(3):
            with pytest.raises(EngineFailure):
                await worker.decode(lease, WINDOW, soon())
        async with asyncio.timeout(60):
            await until(lambda: not worker.ready)
            lost.set()
            await worker.wait_ready()
        with pytest.raises(EngineFailure, match="taken away"):
            await worker.decode(lease, WINDOW, soon())
        assert worker.free_slots == 4


async def test_timing_is_kept_per_stage() -> None:
    async with running(DeterministicEngine(cost={"decode": 0.01})) as worker:
        lease = await opened(worker)
        began = time.monotonic()
        for _ in range(5):
            await worker.decode(lease, WINDOW, soon())
        passed = 1000 * (time.monotonic() - began)
        timing = worker.timings()["decoder"]
    assert 9 < timing.run_p50 < passed - 4 * 9 and timing.batch == 1


async def test_closing_answers_waiting_jobs() -> None:
    engine, gate = gated()
    async with running(engine) as worker:
        lease, other = await opened(worker), await opened(worker)
        running_job = worker.decode(lease, WINDOW, soon())
        await until(lambda: decoding(engine))
        waiting = worker.decode(other, WINDOW, soon())
        asyncio.get_running_loop().call_soon(gate.set)  # once the worker has been told to stop
    assert (await running_job).shape == (64,)
    with pytest.raises(EngineFailure, match="shutting down"):
        await waiting
