"""Training batches: random spans of clips, augmented (section 4.1; the augmentations are this project's own).

A batch depends only on the seed and its number, so a resumed training run continues exactly.

Runs on: any thread; pure.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from styletalk_core.lab.training.clips import SILENCE, MotionClip, windows
from styletalk_core.lab.training.config import AugmentationConfig, DataConfig
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.posing import Posing
from styletalk_core.phones import CLOSED_LIPS, CONTEXT, SIL_INDEX

Array = NDArray[np.float32]

_SHORT: Final = 30
"""Span length in a batch of short clips, frames."""
_MIN_STYLE_FRAMES: Final = 40
"""Frames of the shortest style clip."""
STRETCH: Final = 8
"""Successive frames of each stretch of speech that is said in a foreign style."""
_STRETCHES: Final = 5
_MOSTLY_SILENT: Final = 0.3
_ANYWAY: Final = 0.02
"""Chance of a silent stretch, so that a set of silent clips cannot stop the drawing."""
_CONTACT_FRAMES: Final = 2
_FUTURE: Final = (0, 1, 2, 2, 2, 3, 4, 5)
"""Future columns known, drawn from these: the streaming side waits for two."""
_PERSON_FRAMES: Final = 900
"""Frames that a person may count: people of whom there is more count no more."""
_SPREAD: Final = (0.6, 1.7)
"""How far style transfer may scale a motion."""
_LEAD: Final = 0.5
"""Frames by which the motion to learn is ahead of the phones: without, decoded and steadied lips come a frame late."""
_RAMP: Final = 4
"""Frames in which the lips close and open around an added silence."""
_SOURCE_WEIGHT: Final = {"Arabic newsreaders": 0.3, "generated": 0.5}
"""Frames of sources that begin so count less: clips of a second in another language, and what a network made."""


@dataclass(frozen=True, slots=True)
class MotionBatch:
    """S clips of N evenly spaced frames with their style clips."""

    names: tuple[str, ...]
    phones: Tensor
    """(S, N, 11, 41) float32"""
    target: Tensor
    """(S, N, 64) float32"""
    style: Tensor
    """(S, L, 64) float32, the style clip of the target."""
    other: Tensor
    """(S, L, 64) float32, another span of the same style."""
    label: Tensor
    """(S,) int64, index of the style, -1 where unknown."""
    foreign: Tensor
    """(K, L, 64) float32, clips of many more styles, known and unknown ones in equal parts."""
    foreign_phones: Tensor
    """(K, M, 11, 41) float32, stretches of `STRETCH` frames of anybody's speech, one after the other."""
    contact_phones: Tensor
    """(K, C, 11, 41) float32, windows around the middle of a P, B or M from this batch to say in those styles."""


class Batches:
    """Draws batches from the training clips."""

    def __init__(
        self,
        clips: Sequence[MotionClip],
        data: DataConfig,
        augmentation: AugmentationConfig,
        lips: LipMap,
        mirror: Array,
        posing: Posing | None = None,
    ) -> None:
        self._data = data
        self._posing = posing
        self._augmentation = augmentation
        self._lips = lips
        self._mirror = mirror
        self._styles = list(clips)
        self._spoken = [clip for clip in clips if clip.phones is not None]
        self._long = [clip for clip in self._spoken if len(clip.coefficients) >= data.frames]
        self.labels = sorted({clip.style for clip in clips if clip.style})
        self._weight = people_balanced(self._spoken)
        weight = np.array(list(self._weight.values()))
        self._share = weight / weight.sum()
        self._opens = _opening_direction(self._spoken, lips)

    def __getitem__(self, step: int) -> MotionBatch:
        """Draws batch number ``step``."""
        random = np.random.default_rng([self._data.seed, step])
        total = sum(self._weight.values())
        use_long = random.random() < sum(self._weight[clip.name] for clip in self._long) / total
        pool = self._long if use_long else [c for c in self._spoken if len(c.coefficients) < self._data.frames]
        weight = np.array([self._weight[clip.name] for clip in pool])
        frames = self._data.frames if use_long else _SHORT
        count = self._data.clips * self._data.stride * self._data.frames // frames
        chosen = random.choice(len(pool), count, p=weight / weight.sum())
        style_frames = int(random.integers(_MIN_STYLE_FRAMES, self._data.style_frames + 1))
        items = [self._item(random, pool[index], frames, style_frames) for index in chosen]
        columns, targets, styles, others, labels = zip(*items, strict=True)
        foreign = [_span(random, self._foreign(random), style_frames) for _ in range(self._data.foreign)]
        said = [self._stretches(random) for _ in range(self._data.foreign)]
        contacts = at_closures(np.concatenate(columns))
        met = random.integers(len(contacts), size=(self._data.foreign, _CONTACT_FRAMES if len(contacts) else 0))
        return MotionBatch(
            tuple(pool[index].name for index in chosen),
            torch.from_numpy(np.stack(columns)),
            torch.from_numpy(np.stack(targets)),
            torch.from_numpy(np.stack(styles)),
            torch.from_numpy(np.stack(others)),
            torch.tensor(labels),
            torch.from_numpy(np.stack(foreign)),
            torch.from_numpy(np.stack(said)),
            torch.from_numpy(contacts[met]),
        )

    def _stretches(self, random: Generator) -> Array:
        """Windows (M, 11, 41) of random stretches of speech, none of them mostly silent."""
        result = list[Array]()
        while len(result) < _STRETCHES:
            columns = self._spoken[random.choice(len(self._spoken), p=self._share)].phones
            assert columns is not None
            start = int(random.integers(len(columns) - STRETCH + 1))
            if columns[start : start + STRETCH, SIL_INDEX].mean() < _MOSTLY_SILENT or random.random() < _ANYWAY:
                before = min(start, CONTEXT)
                around = columns[start - before : start + STRETCH + CONTEXT]
                result.append(windows(around, int(random.choice(_FUTURE)))[before : before + STRETCH])
        return np.concatenate(result)

    def _foreign(self, random: Generator) -> Array:
        """Motion of a random clip of a random known style, or of any clip."""
        clips = self._styles
        if self.labels and random.random() < 0.5:
            label = self.labels[random.integers(len(self.labels))]
            clips = [clip for clip in clips if clip.style == label]
        motion = clips[random.integers(len(clips))].coefficients
        pose = self._pose(random)
        return motion if pose is None else pose(motion)

    def _pose(self, random: Generator) -> Callable[[Array], Array] | None:
        """Draws a pose for a share of the clips."""
        if self._posing is None or random.random() >= self._augmentation.posed:
            return None
        return partial(self._posing.apply, pose=self._posing.draw(random))

    def _item(
        self, random: Generator, clip: MotionClip, frames: int, style_frames: int
    ) -> tuple[Array, Array, Array, Array, int]:
        a = self._augmentation
        assert clip.phones is not None
        columns = clip.phones
        if clip.aligned is not None and random.random() < a.aligned:
            share = random.random()
            columns = (share * clip.aligned + (1 - share) * columns).astype(np.float32)
        motion, columns = _at_speed(clip.coefficients, columns, 1 + a.speed * random.uniform(-1, 1), frames)
        model = clip
        if random.random() < a.transfer:
            model = self._styles[random.integers(len(self._styles))]
            motion = self._in_style_of(motion, model.coefficients)
        style_motion = model.coefficients
        pose = self._pose(random)
        if pose is not None:
            motion, style_motion = pose(motion), pose(style_motion)
        if random.random() < a.mirror:
            motion, style_motion = motion @ self._mirror, style_motion @ self._mirror
        columns = noisy(random, columns, a)
        if random.random() < a.silence:
            motion, columns = self._with_silence(random, motion, columns)
        start = random.integers(len(motion) - frames + 1)
        decoded = slice(start, start + frames, self._data.stride)
        cut = windows(columns, int(random.choice(_FUTURE)))[decoded]
        spans = [_span(random, style_motion, style_frames) for _ in range(2)]
        label = self.labels.index(model.style) if model.style and pose is None else -1
        return cut, motion[decoded], spans[0], spans[1], label

    def _in_style_of(self, motion: Array, model: Array) -> Array:
        """Gives a motion the mean and deviation of another clip, keeping the frames in which the lips close."""
        spread = np.clip(model.std(axis=0) / (motion.std(axis=0) + 0.1), *_SPREAD)
        styled = (motion - motion.mean(axis=0)) * spread + model.mean(axis=0)
        opening = self._lips.opening(motion)
        scale = np.clip(self._lips.opening(model).std() / (opening.std() + 1e-3), *_SPREAD)
        return self._with_opening(styled, opening * scale)

    def _with_opening(self, motion: Array, opening: Array) -> Array:
        """Moves a motion along the average direction of mouth opening until its gap is ``opening`` (T,)."""
        moved: Array = motion + (opening - self._lips.opening(motion))[:, None] * self._opens
        return moved

    def _with_silence(self, random: Generator, motion: Array, columns: Array) -> tuple[Array, Array]:
        """Replaces a span with silence: the clip's mean expression with closed lips."""
        length = int(random.integers(10, max(11, len(motion) // 2)))
        begin = int(random.integers(len(motion) - length))
        time = np.arange(len(motion))
        inside = np.clip(np.minimum(time - begin, begin + length - 1 - time) / _RAMP + 1, 0, 1)[:, None]
        lower = np.zeros(motion.shape[1], dtype=np.float32)
        lower[: np.count_nonzero(self._opens)] = 1.0
        calm = motion + (motion.mean(axis=0) - motion) * lower
        calm = self._with_opening(calm, np.minimum(self._lips.opening(motion).min(), 0.0) * np.ones(len(motion)))
        silent = columns.copy()
        silent[begin : begin + length] = SILENCE
        return (motion + (calm - motion) * inside).astype(np.float32), silent


def people_balanced(clips: Sequence[MotionClip]) -> dict[str, float]:
    """What every clip counts, in frames: less where there is much of one person, or where its source teaches less."""
    frames = Counter[str]()
    for clip in clips:
        frames[clip.identity] += len(clip.coefficients)
    return {
        clip.name: len(clip.coefficients)
        * min(1.0, _PERSON_FRAMES / frames[clip.identity])
        * next((weight for source, weight in _SOURCE_WEIGHT.items() if clip.source.startswith(source)), 1.0)
        for clip in clips
    }


def _opening_direction(clips: Sequence[MotionClip], lips: LipMap) -> Array:
    """Change of the coefficients (64,) per unit of mouth opening, scaled to a gap of exactly one."""
    motion = np.concatenate([clip.coefficients - clip.coefficients.mean(axis=0) for clip in clips])
    opening = lips.opening(motion)
    direction = (motion.T @ opening) / (opening @ opening)
    direction[13:] = 0.0
    return (direction / (direction @ lips.gap)).astype(np.float32)


def _at_speed(motion: Array, columns: Array, speed: float, frames: int) -> tuple[Array, Array]:
    """Plays motion and phones ``speed`` times as fast, but never shorter than ``frames``; the motion `_LEAD` ahead."""
    length = max(frames, round(len(motion) / speed))
    time = np.linspace(0, len(motion) - 1, length)
    ahead = np.minimum(time + _LEAD, len(motion) - 1)
    before = ahead.astype(int)
    after = np.minimum(before + 1, len(motion) - 1)
    share = (ahead - before)[:, None].astype(np.float32)
    return motion[before] * (1 - share) + motion[after] * share, columns[np.rint(time).astype(int)]


def noisy(random: Generator, columns: Array, a: AugmentationConfig) -> Array:
    """Sharpens or flattens columns and mixes in columns of other frames; a few clips become one-hot."""
    if random.random() < a.hard:
        certain: Array = np.eye(columns.shape[1], dtype=np.float32)[columns.argmax(axis=1)]
        return certain
    speech = columns[:, SIL_INDEX] < 0.99
    changed = columns ** random.uniform(0.6, 1.5)
    changed /= changed.sum(axis=1, keepdims=True)
    share = (random.uniform(0, a.noise) * random.random(len(columns)))[:, None]
    changed = (1 - share) * changed + share * columns[random.permutation(len(columns))]
    return np.where(speech[:, None], changed, columns).astype(np.float32)


def at_closures(cut: Array) -> Array:
    """Selects the windows of (N, 11, 41) whose centre frame is the local maximum of P, B or M."""
    bilabial = cut[:, :, list(CLOSED_LIPS)].sum(axis=-1)
    before, now, after = (bilabial[:, CONTEXT + offset] for offset in (-1, 0, 1))
    heard = np.isin(cut[:, CONTEXT].argmax(axis=-1), CLOSED_LIPS)
    chosen: Array = cut[heard & (now >= before) & (now > after)]
    return chosen


def _span(random: Generator, motion: Array, length: int) -> Array:
    """A random span of ``length`` frames; a shorter clip is repeated forwards and backwards."""
    if len(motion) < length:
        there_and_back = np.concatenate([motion, motion[::-1]])
        motion = np.tile(there_and_back, (-(-length // len(there_and_back)) + 1, 1))
    start = random.integers(len(motion) - length + 1)
    return motion[start : start + length]
