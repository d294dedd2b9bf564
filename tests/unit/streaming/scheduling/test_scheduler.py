"""Proves the order of jobs and the composition of batches."""

import asyncio

import numpy as np
from deterministic_engine import DeterministicEngine

from streaming.media import MotionFrame
from streaming.scheduling.jobs import AnyJob, ControlJob, DecodeJob, RecognizeJob, RenderJob
from streaming.scheduling.scheduler import Schedule, run_batch
from streaming.scheduling.slots import SlotLease

MOTION = MotionFrame(0, 0, np.zeros(64, np.float32), np.zeros(6, np.float32), np.zeros(2, np.float32), 0.0)


def lease(slot: int) -> SlotLease:
    return SlotLease(slot, slot + 1)


def recognize(slot: int, deadline: float) -> RecognizeJob:
    return RecognizeJob(lease(slot), deadline, 0.0, asyncio.Future(), np.zeros(320, np.float32))


def decode(slot: int, deadline: float) -> DecodeJob:
    return DecodeJob(lease(slot), deadline, 0.0, asyncio.Future(), np.zeros((11, 41), np.float32))


def render(slot: int, deadline: float) -> RenderJob:
    return RenderJob(lease(slot), deadline, 0.0, asyncio.Future(), MOTION)


def control(slot: int, deadline: float) -> ControlJob:
    return ControlJob(lease(slot), deadline, 0.0, asyncio.Future(), lambda engine: engine.close(slot))


async def test_the_earliest_deadline_is_taken_and_its_kind_joins_in() -> None:
    schedule = Schedule()
    jobs: list[AnyJob] = [
        decode(0, 3.0),
        render(1, 1.0),
        render(2, 2.0),
        decode(3, 1.5),
    ]
    for each in jobs:
        schedule.add(each)
    assert schedule.take() == [jobs[1], jobs[2]]
    assert schedule.take() == [jobs[3], jobs[0]]
    assert schedule.take() == []


async def test_one_slot_has_one_job_in_a_batch_and_keeps_its_order() -> None:
    schedule = Schedule()
    first, second = recognize(0, 1.0), recognize(0, 2.0)
    schedule.add(second)
    schedule.add(first)
    assert schedule.take() == [first]
    assert schedule.take() == [second]


async def test_a_batch_has_at_most_thirty_two_jobs_and_control_runs_alone() -> None:
    schedule = Schedule()
    for slot in range(40):
        schedule.add(render(slot, 1.0))
    assert len(schedule.take()) == 32
    schedule = Schedule()
    for slot in range(3):
        schedule.add(control(slot, 1.0))
    assert len(schedule.take()) == 1


async def test_padding_fills_up_to_a_power_of_two_and_returns_only_what_was_asked() -> None:
    engine = DeterministicEngine()
    for slot in range(3):
        engine.open(slot, "ada", "calm", 1.0)
    jobs = [render(slot, 1.0) for slot in range(3)]
    assert len(run_batch(engine, jobs, pad=True)) == 3
    assert engine.calls[-1] == ("render", (0, 1, 2, 2))
