"""Proves the order of jobs and how batches form."""

from typing import Any

import numpy as np
from deterministic_engine import DeterministicEngine

from streaming.media import MotionFrame
from streaming.scheduling.scheduler import Job, JobKind, Schedule, run_batch
from streaming.scheduling.slots import SlotLease


def job(kind: JobKind, slot: int, deadline: float, payload: Any = None) -> Job:
    return Job(kind, SlotLease(slot, slot + 1), payload, deadline, lambda result: None, 0.0)


def test_the_earliest_deadline_is_taken_and_its_kind_joins_in() -> None:
    schedule = Schedule()
    jobs = [
        job(JobKind.DECODE, 0, 3.0),
        job(JobKind.RENDER, 1, 1.0),
        job(JobKind.RENDER, 2, 2.0),
        job(JobKind.DECODE, 3, 1.5),
    ]
    for each in jobs:
        schedule.add(each)
    assert schedule.take() == [jobs[1], jobs[2]]
    assert schedule.take() == [jobs[3], jobs[0]]
    assert schedule.take() == []


def test_one_slot_has_one_job_in_a_batch_and_keeps_its_order() -> None:
    schedule = Schedule()
    first, second = job(JobKind.RECOGNIZE, 0, 1.0), job(JobKind.RECOGNIZE, 0, 2.0)
    schedule.add(second)
    schedule.add(first)
    assert schedule.take() == [first]
    assert schedule.take() == [second]


def test_a_batch_has_at_most_thirty_two_jobs_and_control_runs_alone() -> None:
    schedule = Schedule()
    for slot in range(40):
        schedule.add(job(JobKind.RENDER, slot, 1.0))
    assert len(schedule.take()) == 32
    schedule = Schedule()
    for slot in range(3):
        schedule.add(job(JobKind.CONTROL, slot, 1.0))
    assert len(schedule.take()) == 1


def test_padding_fills_up_to_a_power_of_two_and_returns_only_what_was_asked() -> None:
    engine = DeterministicEngine()
    for slot in range(3):
        engine.open(slot, "ada", "calm", 1.0)
    motion = MotionFrame(0, 0, np.zeros(64, np.float32), np.zeros(6, np.float32), np.zeros(2, np.float32), 0.0)
    jobs = [job(JobKind.RENDER, slot, 1.0, motion) for slot in range(3)]
    assert len(run_batch(engine, jobs, pad=True)) == 3
    assert engine.calls[-1] == ("render", (0, 1, 2, 2))
