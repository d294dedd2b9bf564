"""Cost of a frame for batches of sessions: decoder, mesh renderer and the paper's renderer, one after the other.

The models run as in a server, through the engine, without its clock. Every frame differs from the one before, and the
stages take turns, so that each finds the caches as in a call. The paper's renderer has random weights, on which its
speed does not depend. On a CPU, costs are CPU time on one thread; on a GPU, elapsed time.

Runs on: the main thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.bootstrap import motion_weights
from server.paths import user_folder
from styletalk_core.engine import ModelEngine
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.models.pirenderer import PIRenderer
from styletalk_core.phones import PHONES, WINDOW

DECODER, MESH, PIRENDERER = "decoder", "mesh", "pirenderer"
_ROUNDS: Final = 30
_WARM_UP: Final = 3
_FRAMES_PER_PHONE: Final = 3
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


@dataclass(frozen=True, slots=True)
class _Round:
    """What the stages are given: windows (n, 11, 41), expression (n, 64), pose (n, 6), gaze (n, 2) and blink (n,)."""

    windows: NDArray[np.float32]
    expression: NDArray[np.float32]
    pose: NDArray[np.float32]
    gaze: NDArray[np.float32]
    blink: NDArray[np.float32]


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
            engine.open(slot, engine.avatars[slot % len(engine.avatars)], engine.styles[0], 1.0)
        rounds = _rounds(mesh, slots)
        drawn = slots[: count if device.startswith("cuda") else _SLOW_BATCH]
        costs += _timed(
            mesh, count, rounds, {DECODER: partial(_decode, mesh, slots), MESH: partial(_draw, mesh, slots)}
        )
        costs += _timed(paper, count, rounds, {PIRENDERER: partial(_draw, paper, drawn)}, len(drawn))
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


def _rounds(engine: ModelEngine, slots: list[int]) -> list[_Round]:
    """Return rounds of phones that follow one another, said by heads that sway and blink."""
    count, frames = len(slots), _WARM_UP + _ROUNDS + WINDOW
    phones = np.random.default_rng(0).dirichlet(np.full(len(PHONES), 0.05), (frames // _FRAMES_PER_PHONE + 1, count))
    spoken = phones.repeat(_FRAMES_PER_PHONE, axis=0).astype(np.float32)
    windows = [spoken[k : k + WINDOW].swapaxes(0, 1) for k in range(_WARM_UP + _ROUNDS)]
    swing = np.sin(np.arange(len(windows)) / 5, dtype=np.float32)
    return [
        _Round(
            window,
            engine.decode(slots, window),
            pose=np.full((count, 6), 0.02 * sway),
            gaze=np.full((count, 2), 0.05 * sway),
            blink=np.full(count, max(sway, 0)),
        )
        for window, sway in zip(windows, swing, strict=True)
    ]


def _decode(engine: ModelEngine, slots: list[int], batch: _Round) -> None:
    engine.decode(slots, batch.windows)


def _draw(engine: ModelEngine, slots: list[int], batch: _Round) -> None:
    shown = slice(len(slots))
    engine.render(slots, batch.expression[shown], batch.pose[shown], batch.gaze[shown], batch.blink[shown])


def _timed(
    engine: ModelEngine,
    sessions: int,
    rounds: list[_Round],
    stages: Mapping[str, Callable[[_Round], None]],
    frames: int | None = None,
) -> list[FrameCost]:
    """Times the stages, which take turns, by the engine's clock; a batch has ``frames``, by default one a session."""
    seconds = {stage: list[float]() for stage in stages}
    for k, batch in enumerate(rounds):
        for stage, run in stages.items():
            began = engine.worked()
            run(batch)
            seconds[stage].append(engine.worked() - began)
        if k and min(map(min, seconds.values())) > _SLOW_SECONDS:
            break
    return [
        _cost(stage, sessions, taken[_WARM_UP:] or taken[1:], frames or sessions) for stage, taken in seconds.items()
    ]


def _cost(stage: str, sessions: int, seconds: list[float], frames: int) -> FrameCost:
    per_frame = float(np.median(seconds)) / frames
    p99 = 1000 * float(np.quantile(seconds, 0.99))
    return FrameCost(stage, sessions, round(1000 * per_frame, 3), round(p99, 2), round(1 / per_frame, 1))
