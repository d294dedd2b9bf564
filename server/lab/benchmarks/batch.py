"""`styletalk bench batch`: decode and render for many sessions on one device, driven by a clock instead of clients.

Runs on: its own event loop, with the models on the worker thread as in a server. Every session requests 30 frames per
second, each session with its own phase; a frame that is not rendered within the session's budget is late.
"""

import argparse
import asyncio
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from server.bootstrap import make_service
from server.config import ServerConfig, add_motion_weights
from server.lab.benchmarks.capacity import memory_mb
from server.lab.benchmarks.frame_costs import measure_costs
from server.priority import raise_priority
from streaming.clock import MediaClock, monotonic
from streaming.frames.composer import Composer
from streaming.latency import LatencyPlan
from streaming.scheduling.batch_worker import BatchWorker
from streaming.scheduling.jobs import ControlOperation
from streaming.scheduling.slots import SlotLease
from streaming.scheduling.timing import StageTiming
from streaming.session import Settings
from streaming.units import FRAME_TICKS, PHONES, TICK_RATE, WINDOW
from styletalk_core.errors import InputError

FRAME_SECONDS = FRAME_TICKS / TICK_RATE
SETTLE_SECONDS = 1.0
PHONE_FRAMES = 3
"""Duration of a phone in the synthetic speech, frames."""


@dataclass(frozen=True, slots=True)
class BatchStep:
    """Result for a number of sessions: share of late frames, device utilisation, mean batch size, 99th percentile of
    the batch duration per stage, resident memory and device memory."""

    sessions: int
    late_share: float
    device_use: float
    decoder_batch: float
    renderer_batch: float
    decoder_p99_ms: float
    renderer_p99_ms: float
    memory_mb: float
    device_memory_mb: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--size", type=int, choices=(256, 512), default=512, help="video size (512)")
    parser.add_argument(
        "--sessions", type=int, nargs="+", default=[1, 2, 4], metavar="N", help="session counts to measure (1 2 4)"
    )
    add_motion_weights(parser)
    parser.add_argument("--costs-only", action="store_true", help="measure what a frame costs, without the clock")
    parser.add_argument("--seconds", type=float, default=10, help="measurement time per session count (10)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``steps``, one for each session count, and ``costs`` of a frame by stage and session count.

    ``costs`` includes the paper's renderer, whose frames no session of the steps draws.

    Raises:
        InputError: an invalid option, a missing device, or weights that cannot be used.
    """
    if args.seconds < 2 or min(args.sessions) < 1:
        raise InputError("--seconds must be at least 2 and --sessions at least 1.")
    raise_priority()
    config = ServerConfig(
        device=_present(args.device),
        size=args.size,
        max_sessions=max(args.sessions),
        motion_weights=args.motion_weights,
    )
    steps = [] if args.costs_only else asyncio.run(_measure_all(config, args.sessions, args.seconds))
    costs = measure_costs(config.device, args.size, args.sessions, args.motion_weights)
    if not args.json:
        for step in steps:
            print(
                f"{step.sessions} x {args.size}: {step.late_share:.2%} late, device {step.device_use:.0%} busy, "
                f"p99 decode {step.decoder_p99_ms} ms, render {step.renderer_p99_ms} ms"
            )
        for cost in costs:
            print(
                f"{cost.sessions} x {cost.stage}: {cost.ms_per_frame} ms per frame, {cost.frames_per_second} frames/s, "
                f"p99 of a batch {cost.batch_p99_ms} ms"
            )
    return {
        "device": config.device,
        "size": args.size,
        "steps": [asdict(step) for step in steps],
        "costs": [asdict(cost) for cost in costs],
    }


def _present(device: str) -> str:
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("This machine has no CUDA device that PyTorch can use.")
    return device


async def _measure_all(config: ServerConfig, counts: list[int], seconds: float) -> list[BatchStep]:
    service = make_service(config)
    worker, settings = service.worker, service.first_settings()
    worker.start()
    try:
        await worker.wait_ready()
        steps = []
        for count in counts:
            leases = [worker.lease() for _ in range(count)]
            for lease in leases:
                await worker.prepare(settings.avatar, worker.size)
                await worker.control(lease, _opening(lease, settings, worker.size))
            steps.append(await _measure(worker, leases, seconds, config.device))
            for lease in leases:
                await worker.release(lease)
        return steps
    finally:
        await worker.aclose()


def _opening(lease: SlotLease, settings: Settings, size: int) -> ControlOperation:
    return lambda engine: engine.open(
        lease.slot, settings.avatar, settings.style, settings.intensity, settings.background, size
    )


async def _measure(worker: BatchWorker, leases: list[SlotLease], seconds: float, device: str) -> BatchStep:
    began = monotonic()
    busy: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        outcomes = [
            tasks.create_task(_speak(worker, lease, began + FRAME_SECONDS * k / len(leases), seconds), name=f"{lease}")
            for k, lease in enumerate(leases)
        ]
        while monotonic() - began < SETTLE_SECONDS + seconds:
            await asyncio.sleep(0.5)
            busy.append(worker.ladder.busy_share)
    late, made = np.sum([outcome.result() for outcome in outcomes], axis=0)
    timings = worker.timings()
    decoder, renderer = (timings.get(name, StageTiming(0, 0, 0, 0, 0)) for name in ("decoder", "renderer"))
    return BatchStep(
        len(leases),
        round(float(late / max(1, made)), 5),
        round(float(np.mean(busy[2:])), 3),
        round(decoder.batch, 2),
        round(renderer.batch, 2),
        round(decoder.run_p99, 2),
        round(renderer.run_p99, 2),
        round(memory_mb(), 1),
        _device_memory_mb(device),
    )


async def _speak(worker: BatchWorker, lease: SlotLease, began: float, seconds: float) -> tuple[int, int]:
    """Simulates a session with continuous speech; returns the number of late frames and of all frames."""
    random = np.random.default_rng(lease.slot)
    composer, clock = Composer(seed=lease.slot), MediaClock(0)
    budget = LatencyPlan(0).budget / TICK_RATE
    phones = random.dirichlet(np.full(PHONES, 0.05), size=1_000).astype(np.float32).repeat(PHONE_FRAMES, axis=0)
    late = made = 0
    for index in range(round((SETTLE_SECONDS + seconds) / FRAME_SECONDS)):
        start = began + index * FRAME_SECONDS
        counted = start - began > SETTLE_SECONDS
        made += counted
        if monotonic() > start + FRAME_SECONDS:  # as in a session, overdue frames are skipped
            late += counted
            continue
        await clock.wait_until(start)
        due = start + budget
        place = index % (len(phones) - WINDOW)
        decoded = await worker.decode(lease, phones[place : place + WINDOW], due)
        motion = composer.compose(index * FRAME_TICKS, 0, decoded, True, 0.1)
        await worker.render(lease, motion, due)
        late += counted and monotonic() > due
    return late, made


def _device_memory_mb(device: str) -> float:
    if device == "cpu":
        return 0.0
    import torch

    return round(torch.cuda.max_memory_reserved(device) / 1e6, 1)
