"""`styletalk bench renderer`: time per frame of the renderers on one CPU thread, and memory per portrait.

Times include every step of a frame: face model, deformation, resampling, eyes, mouth, compositing and yuv420p. The
paper's renderer is timed in the same run; its speed does not depend on its weights, which are not shipped.
Runs on: the main thread.
"""

import argparse
import itertools
import time
import tracemalloc
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from styletalk_core.face.face_model import LOWER
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.models.pirenderer import COEFFICIENTS, RADIUS, PIRenderer
from styletalk_core.rendering.batch_renderer import BatchRenderer
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.motion import Motion, draw
from styletalk_core.rendering.portrait.portrait import Portrait

WARM_UP: Final = 30
SIZES: Final = (512, 256)
PIRENDERER_SIZE: Final = 256
PIRENDERER_FRAMES: Final = 5
FLICKER_FRAMES: Final = 60
BATCH: Final = 16
ABOVE_BROWS: Final = 9
"""Landmark between the eyebrows."""
NOBODY: Final = 16
"""Value of the mask, in video levels, where there is only background."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--avatar", help="built-in portrait to render (default: the first)")
    parser.add_argument("--frames", type=int, default=300, help="frames to render at each size (default: 300)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns medians ``ms_512``, ``ms_256`` with their ``_p95`` and ``_cpu``, and ``pirenderer_ms_256``.

    Also ``speed_ratio_256`` between the two renderers, ``memory_mb`` of a portrait at 512, ``flicker`` (grey levels)
    of the static image regions while the mouth moves, ``batch_ms_512`` and ``batch_difference`` (mean grey levels) of
    the batched renderer on ``batch_device`` (CUDA if available), and ``device``. ``_cpu`` is CPU time per frame, which
    depends less on other programs than wall-clock time. ``remap_512_cpu_ms`` is the CPU time of a plain OpenCV remap of
    a frame, and ``remap_ratio_512`` the cost of a rendered frame relative to it.
    """
    library = AvatarLibrary(Path())
    portrait = library.get(args.avatar or library.names()[0])
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        result: dict[str, Any] = {}
        for size in SIZES:
            result |= _timed(portrait, size, args.frames)
        ratio = result[f"ms_{SIZES[0]}_cpu"] / result[f"remap_{SIZES[0]}_cpu_ms"]
        result |= {f"remap_ratio_{SIZES[0]}": round(ratio, 2)}
        paper = _pirenderer_ms()
        result |= {"pirenderer_ms_256": round(paper, 1), "speed_ratio_256": round(paper / result["ms_256"], 1)}
        result |= {"memory_mb": round(_memory(portrait, SIZES[0]) / 2**20, 1)}
        result |= {"flicker": round(_flicker(portrait, SIZES[0]), 4)}
        result |= _batched(portrait, SIZES[0]) | {"device": "cpu"}
    finally:
        cv2.setNumThreads(threads)
    if not args.json:
        print("\n".join(f"{key:12} {value}" for key, value in result.items()))
    return result


def _timed(portrait: Portrait, size: int, frames: int) -> dict[str, float]:
    renderer = MeshRenderer(portrait, size)
    motion = _motion(frames + WARM_UP)
    wall, cpu, bare = [], [], []
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 4), np.uint8)
    maps = np.indices((size, size)).astype(np.float32)[::-1] + np.float32(0.3)
    for expression, pose, gaze, blink in zip(*motion, strict=True):
        started, cpu_started = time.perf_counter(), time.thread_time()
        renderer.render(expression, pose, gaze, float(blink))
        wall.append(time.perf_counter() - started)
        cpu.append(time.thread_time() - cpu_started)
        cpu_started = time.thread_time()
        cv2.remap(picture, maps[0], maps[1], cv2.INTER_LINEAR)
        bare.append(time.thread_time() - cpu_started)
    p50, p95 = np.quantile(wall[WARM_UP:], (0.5, 0.95)) * 1000
    return {
        f"ms_{size}": round(float(p50), 2),
        f"ms_{size}_p95": round(float(p95), 2),
        f"ms_{size}_cpu": round(float(np.median(cpu[WARM_UP:])) * 1000, 2),
        f"remap_{size}_cpu_ms": round(float(np.median(bare[WARM_UP:])) * 1000, 2),
    }


@torch.inference_mode()
def _pirenderer_ms() -> float:
    """Median time per frame of the paper's renderer on one thread, ms."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        renderer = PIRenderer().eval()
        state = renderer.prepare(torch.zeros(3, PIRENDERER_SIZE, PIRENDERER_SIZE))
        window = torch.zeros(1, COEFFICIENTS, 2 * RADIUS + 1)
        times = []
        for _ in range(1 + PIRENDERER_FRAMES):
            started = time.perf_counter()
            renderer.render(state, window)
            times.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return float(np.median(times[1:])) * 1000


def _memory(portrait: Portrait, size: int) -> int:
    """Memory of one prepared portrait, bytes."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    renderer = MeshRenderer(portrait, size)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del renderer
    return kept


def _flicker(portrait: Portrait, size: int) -> float:
    """Mean difference between successive frames above the eyebrows and in the background, while the mouth moves."""
    renderer = MeshRenderer(portrait, size)
    expression, pose, gaze, _ = _motion(FLICKER_FRAMES)
    expression[:, LOWER:] = 0
    frames = [renderer.render_rgb(row, 0 * pose[0], 0 * gaze[0], 0.0).astype(np.int16) for row in expression]
    still = renderer.render_with_alpha(expression[0], 0 * pose[0], 0 * gaze[0], 0.0)[size : 2 * size] <= NOBODY
    still[: round(float(renderer.mesh.vertices[ABOVE_BROWS, 1]))] = True
    return float(np.mean([np.abs(one - other)[still].mean() for one, other in itertools.pairwise(frames)]))


def _batched(portrait: Portrait, size: int) -> dict[str, Any]:
    """Time per frame of the batched renderer, and the mean difference of its frames from the single renderer's."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    renderer, batch = MeshRenderer(portrait, size), BatchRenderer(size, device)
    motions = [
        Motion(renderer, expression, pose, gaze, float(blink), renderer.background)
        for expression, pose, gaze, blink in zip(*_motion(BATCH), strict=True)
    ]
    batch.render(motions)
    started = time.perf_counter()
    images = batch.render(motions)
    seconds = time.perf_counter() - started
    apart = [np.abs(one.astype(int) - draw(motion)).mean() for one, motion in zip(images, motions, strict=True)]
    return {
        "batch_ms_512": round(seconds / BATCH * 1000, 2),
        "batch_difference": round(float(np.mean(apart)), 4),
        "batch_device": device.type,
    }


def _motion(frames: int) -> tuple[NDArray[np.float32], ...]:
    """Animated test motion: expression (n, 64), pose (n, 6), gaze (n, 2), blink (n,)."""
    generator = np.random.default_rng(0)
    t = np.arange(frames)[:, None] / 30
    expression = np.sin(2 * np.pi * generator.uniform(0.5, 4, 64) * t + generator.uniform(0, 6, 64))
    pose = np.sin(2 * np.pi * generator.uniform(0.1, 0.6, 6) * t) * [0.08, 0.12, 0.05, 0.03, 0.03, 0.2]
    gaze = np.sin(2 * np.pi * generator.uniform(0.2, 0.8, 2) * t) * 0.15
    blink = np.clip(np.sin(2 * np.pi * 0.4 * t[:, 0]) * 8 - 7, 0, 1)
    return tuple(part.astype(np.float32) for part in (expression, pose, gaze, blink))
