"""Cost of a frame for batches of sessions: decoder, mesh renderer and the paper's renderer, one after the other.

The models run as in a server, through the engine, without its clock. The paper's renderer has random weights, on which
its speed does not depend. On a CPU, costs are CPU time on one thread; on a GPU, elapsed time.

Runs on: the main thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from server.bootstrap import motion_weights
from server.paths import user_folder
from styletalk_core.engine import ModelEngine
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import CONVERSATIONAL, StyleLibrary
from styletalk_core.models.pirenderer import PIRenderer
from styletalk_core.phones import PHONES, WINDOW

DECODER, MESH, PIRENDERER = "decoder", "mesh", "pirenderer"
_ROUNDS: Final = 12
_WARM_UP: Final = 3
_SLOW_SECONDS: Final = 0.5
"""A batch that takes longer needs no more than one round, and no warm-up beyond the first session's."""
_SLOW_BATCH: Final = 4
"""Portraits that the paper's renderer draws at once on a CPU, where larger batches take as long per frame."""


@dataclass(frozen=True, slots=True)
class FrameCost:
    """Cost of one stage for a number of sessions: median per frame, 99th percentile of a batch, frames per second."""

    stage: str
    sessions: int
    ms_per_frame: float
    batch_p99_ms: float
    frames_per_second: float


def measure_costs(device: str, size: int, counts: list[int], weights: str = "") -> list[FrameCost]:
    """Measures every stage for each number of sessions.

    Raises:
        InputError: the weights cannot be used.
    """
    import torch

    torch.manual_seed(0)
    mesh, paper = (_engine(device, size, weights, network) for network in (None, PIRenderer().eval()))
    costs: list[FrameCost] = []
    for count in counts:
        slots = list(range(count))
        for engine, slot in product((mesh, paper), slots):
            engine.open(slot, engine.avatars[slot % len(engine.avatars)], CONVERSATIONAL, 1.0)
        windows = np.random.default_rng(0).dirichlet(np.full(len(PHONES), 0.05), (count, WINDOW)).astype(np.float32)
        expression = mesh.decode(slots, windows)
        pose, gaze, blink = (np.zeros((count, *shape), np.float32) for shape in ((6,), (2,), ()))
        drawn = slice(0, count if device.startswith("cuda") else _SLOW_BATCH)
        motion = expression[drawn], pose[drawn], gaze[drawn], blink[drawn]
        costs += [
            _timed(DECODER, slots, mesh, partial(mesh.decode, slots, windows)),
            _timed(MESH, slots, mesh, partial(mesh.render, slots, expression, pose, gaze, blink)),
            _timed(PIRENDERER, slots, paper, partial(paper.render, slots[drawn], *motion), len(slots[drawn])),
        ]
        for engine, slot in product((mesh, paper), slots):
            engine.close(slot)
    return costs


def _engine(device: str, size: int, weights: str, network: PIRenderer | None) -> ModelEngine:
    """Return an engine, warm for one session."""
    engine = ModelEngine(
        AvatarLibrary(Path()),
        StyleLibrary(user_folder("styles")),
        device=device,
        size=size,
        motion=motion_weights(weights),
        pirenderer=network,
    )
    for avatar in engine.avatars:
        engine.prepare(avatar)
    return engine


def _timed(
    stage: str, slots: list[int], engine: ModelEngine, run: Callable[[], object], frames: int | None = None
) -> FrameCost:
    """Times a batch of ``frames``, by default one of each slot, by the engine's clock."""
    seconds: list[float] = []
    while len(seconds) < _WARM_UP + _ROUNDS:
        began = engine.worked()
        run()
        seconds.append(engine.worked() - began)
        if len(seconds) > 1 and min(seconds) > _SLOW_SECONDS:
            break
    counted = seconds[_WARM_UP:] or seconds[1:]
    per_frame = float(np.median(counted)) / (frames or len(slots))
    p99 = 1000 * float(np.quantile(counted, 0.99))
    return FrameCost(stage, len(slots), round(1000 * per_frame, 3), round(p99, 2), round(1 / per_frame, 1))
