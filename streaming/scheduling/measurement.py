"""Stage cost measurement: cost of one frame of every stage on this machine, with warm models.

Runs on: worker thread, before the first session. Medians of the engine's own clock, which on a CPU is not affected by
other processes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.engine import Engine
from streaming.scheduling.plan import StageCosts
from streaming.units import HOP_TICKS, MODEL_SAMPLE_TICKS, PHONES, TICK_RATE, WINDOW

SAMPLES: Final = 15
"""Measured runs per stage, after `UNCOUNTED` warm-up runs."""
UNCOUNTED: Final = 3
HEARD_AT_ONCE: Final = 2 * HOP_TICKS
"""Ticks of audio recognized per run; a frame at 30 fps brings one or two hops."""
SLOT: Final = -1
"""Engine slot used for measuring; never used by sessions."""

FrameEncoder = Callable[[NDArray[np.uint8]], object]
"""Encodes successive frames of one size, (H*3//2, W) uint8 yuv420p."""


def measure(engine: Engine, sizes: Sequence[int], encoder_of: Callable[[int], FrameEncoder]) -> StageCosts:
    """Measures every stage.

    Args:
        engine: engine after warm-up.
        sizes: frame sizes in pixels.
        encoder_of: creates an encoder for frames of a size.
    """
    random = np.random.default_rng(0)
    speech = iter(random.normal(0, 0.1, (SAMPLES + UNCOUNTED, HEARD_AT_ONCE // MODEL_SAMPLE_TICKS)).astype(np.float32))
    phones = iter(np.eye(PHONES, dtype=np.float32)[random.integers(0, PHONES, (SAMPLES + UNCOUNTED, 1, WINDOW))])
    expressions: list[NDArray[np.float32]] = []
    avatar = engine.avatars[0]
    engine.open(SLOT, avatar, engine.styles[0], 1.0, "keep", sizes[0])
    try:
        recognize = _median(engine, lambda: engine.recognize([SLOT], [next(speech)]))
        decode = _median(engine, lambda: expressions.append(engine.decode([SLOT], next(phones))))
        render, encode = {}, {}
        for size in sizes:
            engine.prepare(avatar, size)
            engine.set_size(SLOT, size)
            images: list[NDArray[np.uint8]] = []
            moving = _Moving(engine, expressions, images)
            render[size] = _median(engine, moving.render)
            encode[size] = _median(engine, partial(_encode_next, encoder_of(size), iter(images)))
    finally:
        engine.close(SLOT)
    return StageCosts(recognize * TICK_RATE / HEARD_AT_ONCE, decode, render, encode)


def _encode_next(encode: FrameEncoder, images: Iterator[NDArray[np.uint8]]) -> None:
    encode(next(images))


class _Moving:
    """Renders a speaking face; every frame differs from the last."""

    def __init__(self, engine: Engine, expressions: list[NDArray[np.float32]], images: list[NDArray[np.uint8]]) -> None:
        self._engine = engine
        self._expressions = expressions
        self._images = images

    def render(self) -> None:
        """Renders the next frame."""
        at = len(self._images)
        turned = np.full((1, 6), 0.03 * np.sin(at), np.float32)
        blink = np.array([at % 5 == 0], np.float32)
        gaze = np.full((1, 2), 0.05 * np.cos(at), np.float32)
        self._images += self._engine.render([SLOT], self._expressions[at], turned, gaze, blink)


def _median(engine: Engine, run: Callable[[], object]) -> float:
    """Return the median time of ``run`` in seconds, by the engine's clock."""
    seconds = []
    for _ in range(UNCOUNTED + SAMPLES):
        began = engine.worked()
        run()
        seconds.append(engine.worked() - began)
    return float(np.median(seconds[UNCOUNTED:]))
