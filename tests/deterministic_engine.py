"""Engine without models for timing tests: its frames are a known function of its input.

A hop is "speech" if it is loud; the phone is AA for a tone below 600 Hz and IY above. The luma of a frame is the mouth
opening, its chroma planes encode avatar and style, so that a frame of another session is detected.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streaming.engine import StyleChoice
from streaming.scheduling.measurement import SLOT
from streaming.units import HOP_TICKS, SILENCE
from styletalk_core.errors import NotFound
from styletalk_core.recognizer.stream import Recognition

HOP_SAMPLES = HOP_TICKS // 3
AA, IY = 0, 17
AVATARS = ("ada", "bob")
STYLES = ("calm", "happy", "neutral")
BACKGROUNDS = ("keep", "blur", "transparent")
DARK, BRIGHT = 40, 200
STYLE_COLUMN = 1
"""Coefficient that carries the style from decoding to drawing, which may come after the next change of style."""


@dataclass(frozen=True)
class Place:
    """Implements `streaming.engine.StylePosition`."""

    name: str
    x: float
    y: float


@dataclass
class _Slot:
    avatar: str
    style: Mapping[str, float]
    background: str
    size: int
    heard: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    given: int = 0


@dataclass(frozen=True, slots=True)
class StillDatabase:
    """A second of a head that does not move; implements `streaming.engine.MotionDatabase`."""

    columns: int

    @property
    def motion(self) -> NDArray[np.float32]:
        return np.zeros((30, self.columns), np.float32)

    @property
    def left(self) -> NDArray[np.int32]:
        return np.arange(29, -1, -1, dtype=np.int32)

    @property
    def key(self) -> NDArray[np.float32]:
        return np.zeros((30, self.columns + 10), np.float32)

    @property
    def key_scale(self) -> NDArray[np.float32]:
        return np.ones(self.columns + 10, np.float32)


@dataclass(frozen=True, slots=True)
class StillMotion:
    """Implements `streaming.engine.StyleMotion`: a head that sinks in "happy"."""

    clips: Sequence[StillDatabase] = (StillDatabase(57),)
    shares: Sequence[float] = (1.0,)
    gain: float = 1.0
    nodding: float = 1.0
    base: StillDatabase = StillDatabase(6)
    borrowing: float = 0.0
    opening: int | None = 0
    pitch: float = 0.0

    @property
    def posture(self) -> NDArray[np.float32]:
        return np.array([self.pitch, 0, 0, 0, 0, 0], np.float32)


class DeterministicEngine:
    """Implements `streaming.engine.Engine`; ``cost`` seconds are slept per call of a kind."""

    def __init__(
        self,
        size: int = 64,
        delay_hops: int = 3,
        cost: dict[str, float] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.size = size
        self.avatars, self.styles = AVATARS, STYLES
        self.recognizer_delay_ticks = delay_hops * HOP_TICKS
        self.slots: dict[int, _Slot] = {}
        self.calls: list[tuple[str, tuple[int, ...]]] = []
        self.fail_next: dict[str, int] = {}
        self._cost = cost or {}
        self._sleep = sleep
        self._delay = delay_hops

    def _work(self, kind: str, slots: Sequence[int]) -> None:
        if list(slots) == [SLOT]:
            return  # measured before the first session
        self.calls.append((kind, tuple(slots)))
        if self.fail_next.get(kind, 0):
            self.fail_next[kind] -= 1
            raise RuntimeError(f"{kind} was told to fail")
        if cost := self._cost.get(kind):
            self._sleep(cost)  # the time that a model would take

    def worked(self) -> float:
        return time.monotonic()

    def warmup(self) -> None:
        self._work("warmup", ())

    def prepare(self, avatar: str, size: int = 0) -> None:
        self._known(AVATARS, avatar, "avatar")

    def style_map(self) -> list[Place]:
        return [Place(name, x, 0.0) for name, x in zip(STYLES, (-1.0, 1.0, 0.0), strict=True)]

    def open(
        self, slot: int, avatar: str, style: StyleChoice, intensity: float, background: str = "keep", size: int = 0
    ) -> None:
        self._known(AVATARS, avatar, "avatar")
        self._known(BACKGROUNDS, background, "background")
        self.slots[slot] = _Slot(avatar, self._shares(style), background, size or self.size)

    def close(self, slot: int) -> None:
        self.slots.pop(slot, None)

    def set_style(self, slot: int, style: StyleChoice, intensity: float, fade_s: float) -> None:
        self.slots[slot].style = self._shares(style)

    def style_motion(self, style: StyleChoice, intensity: float) -> StillMotion:
        return StillMotion(pitch=0.1 * self._shares(style).get("happy", 0.0) * intensity)

    def set_avatar(self, slot: int, avatar: str) -> None:
        self._known(AVATARS, avatar, "avatar")
        self.slots[slot].avatar = avatar

    def set_size(self, slot: int, size: int) -> None:
        self.slots[slot].size = size

    def set_background(self, slot: int, background: str) -> None:
        self._known(BACKGROUNDS, background, "background")
        self.slots[slot].background = background

    def _shares(self, style: StyleChoice) -> Mapping[str, float]:
        shares = {style: 1.0} if isinstance(style, str) else style
        for name in shares:
            self._known(STYLES, name, "style")
        return shares

    @staticmethod
    def _known(names: tuple[str, ...], name: str, kind: str) -> None:
        if name not in names:
            raise NotFound(f"There is no {kind} named {name!r}.")

    def recognize(self, slots: Sequence[int], audio: Sequence[NDArray[np.float32]]) -> list[Recognition]:
        self._work("recognize", slots)
        return [self._hear(self.slots[slot], samples) for slot, samples in zip(slots, audio, strict=True)]

    def _hear(self, slot: _Slot, samples: NDArray[np.float32]) -> Recognition:
        slot.heard = np.concatenate([slot.heard, samples])
        count = max(0, len(slot.heard) // HOP_SAMPLES - (self._delay - 1))
        start = slot.given * HOP_TICKS
        rows = np.zeros((count, 41), np.float32)
        speech = np.zeros(count, np.bool_)
        for row in range(count):
            hop = slot.heard[row * HOP_SAMPLES : (row + 1) * HOP_SAMPLES]
            speech[row] = np.sqrt(np.mean(hop * hop)) > 0.02
            crossings = np.count_nonzero(np.diff(np.signbit(hop)))
            rows[row, (AA if crossings < 24 else IY) if speech[row] else SILENCE] = 1
        slot.heard = slot.heard[count * HOP_SAMPLES :]
        slot.given += count
        return Recognition(start, HOP_TICKS, rows, speech)

    def _style(self, slot: int) -> float:
        return sum(share * STYLES.index(name) for name, share in self.slots[slot].style.items())

    def decode(self, slots: Sequence[int], posteriors: NDArray[np.float32]) -> NDArray[np.float32]:
        self._work("decode", slots)
        expression = np.zeros((len(slots), 64), np.float32)
        expression[:, 0] = 1 - posteriors[:, 5, SILENCE]
        expression[:, STYLE_COLUMN] = [self._style(slot) for slot in slots]
        return expression

    def render(
        self,
        slots: Sequence[int],
        expression: NDArray[np.float32],
        pose: NDArray[np.float32],
        gaze: NDArray[np.float32],
        blink: NDArray[np.float32],
        ticks: Sequence[int] = (),
    ) -> list[NDArray[np.uint8]]:
        self._work("render", slots)
        images = []
        for row, slot in enumerate(slots):
            size = self.slots[slot].size
            image = np.empty((size * 3 // 2, size), np.uint8)
            image[:size] = round(DARK + (BRIGHT - DARK) * float(expression[row, 0]))
            quarter = size // 4
            image[size : size + quarter] = 64 + 64 * AVATARS.index(self.slots[slot].avatar)
            image[size + quarter :] = round(64 + 64 * float(expression[row, STYLE_COLUMN]))
            if self.slots[slot].background == "transparent":
                image = _stacked(image)
            images.append(image)
        return images


def _stacked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame (S*3//2, S) with an alpha mask below it, (S*3, S); its left half is opaque."""
    size = image.shape[1]
    blue, red = np.split(image[size:], 2)
    mask = np.full((size, size), 16, np.uint8)
    mask[:, : size // 2] = 235
    return np.concatenate([image[:size], mask, blue, np.full_like(blue, 128), red, np.full_like(red, 128)])
