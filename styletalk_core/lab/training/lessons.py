"""Lessons of a distillation: what several networks and a regression make of training speech, as targets for one.

The networks are decoded with the whole look-ahead, averaged, and averaged over three frames. The regression is that of
`phone_regression`, fitted to other people than it predicts, in deviations of the style's clip. Their mixture says every
clip in its own style, next to the tracked motion, and in the style of another, of which there is no recording.

Runs on: any thread; pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from styletalk_core.errors import InputError
from styletalk_core.lab.training.batches import noisy, people_balanced
from styletalk_core.lab.training.clips import MotionClip, spoken, windows
from styletalk_core.lab.training.config import AugmentationConfig
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.phone_regression import PhoneRegression
from styletalk_core.lab.training.trainer import decode_lower_face
from styletalk_core.models.dimensions import MESH64_LOWER
from styletalk_core.models.styletalk import StyleState, StyleTalk
from styletalk_core.phones import CONTEXT

_KERNEL: Final = (0.2, 0.4, 0.4)
"""Weights of the frame before, the frame itself and the one after in the teacher: lips decoded live come late."""
_REGRESSION: Final = 0.85
"""Share of the regression in the target."""
_RIDGE: Final = 0.0036
"""Regularisation of the regression, relative to the summed weight of the frames."""
_FOLDS: Final = 5
"""Groups of people; each is predicted by the regression of the others."""
_MIN_DEVIATION: Final = 1e-3
_TRUTH: Final = 0.1
"""Share of the tracked motion in the target of a clip that is said in its own style."""
_OWN: Final = 0.8
"""Share of sequences in the clip's own style."""
_SEQUENCES: Final = 16
_FRAMES: Final = 32
"""Frames of a sequence."""
_AROUND: Final = 8
"""Frames on either side of a sequence from which its windows are cut."""
_FUTURE: Final = (1, 2, 2, 2, 2, 2, 3, 5)
"""Future columns known, drawn from these."""
_MIN_STYLE_FRAMES: Final = 40
_STYLE_SPANS: Final = 4
"""Codes of each style: of the whole clip and of random spans."""
_SPAN_FRAMES: Final = (48, 200)
_STILL: Final = 0.15
"""Share of the usual deviation that is added to the deviation of a style, so that signals that rest do not count."""
_ALIGNED: Final = 0.7
"""Largest share of the words that are said in the columns of a clip whose words are known."""

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One clip said in one style."""

    clip: MotionClip
    style: int
    """Index of the style's clip."""
    target: Float
    """(T, 13) lower face."""


@dataclass(frozen=True, slots=True)
class LessonBatch:
    """S sequences of N frames, of which the first only steadies the second."""

    phones: Tensor
    """(S, N, 11, 41) windows."""
    heard: Tensor
    """(S, N, 41) columns."""
    target: Tensor
    """(S, N, 13)"""
    code: Tensor
    """(S, C) style codes."""
    scale: Tensor
    """(S, 1, 6 + 13): deviation of articulators and coefficients in the style's clip."""
    distance: Tensor
    """(S,): mean distance of lip landmarks from their mean in the style's clip."""


def style_clips(clips: Sequence[MotionClip]) -> list[MotionClip]:
    """Training clips that are long enough to be a style."""
    return [clip for clip in clips if clip.split == "train" and len(clip.coefficients) >= _MIN_STYLE_FRAMES]


def teach(teachers: Sequence[StyleTalk], clips: Sequence[MotionClip], seed: int) -> list[Lesson]:
    """Return what the teachers make of every spoken training clip in its own style and in one other style.

    Targets in the own style contain a share of the tracked motion.

    Raises:
        InputError: the clips show fewer than two people.
    """
    styles, random = style_clips(clips), np.random.default_rng(seed)
    names = [clip.name for clip in styles]
    weight = people_balanced(styles)
    share = np.sqrt([weight[name] for name in names])
    said = [clip for clip in spoken(clips, "train") if clip.name in names]
    regressions = others_regressions(said)
    lessons = []
    for clip in said:
        for style in (names.index(clip.name), int(random.choice(len(styles), p=share / share.sum()))):
            motion = styles[style].coefficients
            expected = predicted(regressions[clip.name], clip, motion)
            target = mixed(taught(teachers, clip, motion), expected)
            if styles[style].name == clip.name:
                target += _TRUTH * (_lower(clip.coefficients) - target)
            lessons.append(Lesson(clip, style, target))
    return lessons


def others_regressions(clips: Sequence[MotionClip]) -> dict[str, PhoneRegression]:
    """Return for every clip a regression from phones to the lower face that has not seen its person.

    Where there are only two people, it has not seen the clip.

    Raises:
        InputError: there are fewer than two people.
    """
    people = sorted({clip.identity for clip in clips})
    groups = {clip.name: clip.identity if len(people) > 2 else clip.name for clip in clips}
    if len(people) < 2:
        raise InputError("a distillation needs spoken training clips of at least two people")
    weight = people_balanced(clips)
    found = dict[str, PhoneRegression]()
    order = sorted(set(groups.values()))
    for fold in range(min(_FOLDS, len(order))):
        left_out = [name for name, group in groups.items() if group in order[fold::_FOLDS]]
        examples = []
        total = sum(weight[clip.name] for clip in clips if clip.name not in left_out)
        for clip in clips:
            if clip.name not in left_out:
                mean, deviation = _statistics(clip.coefficients)
                signals = (_lower(clip.coefficients) - mean) / deviation
                examples.append((_columns(clip), signals, weight[clip.name] / len(signals)))
        found |= dict.fromkeys(left_out, PhoneRegression.fit(examples, _RIDGE * total))
    return found


def predicted(regression: PhoneRegression, clip: MotionClip, style: Float) -> Float:
    """Return the lower face (T, 13) that a regression expects of a clip's phones, in the style of motion (L, 64)."""
    mean, deviation = _statistics(style)
    return mean + deviation * regression(_columns(clip))


def mixed(decoded: Float, expected: Float) -> Float:
    """Mixes the networks' motion (T, 13) with the regression's, which also sets the mean."""
    centred = decoded + (expected.mean(axis=0) - decoded.mean(axis=0))
    return np.asarray(centred + _REGRESSION * (expected - centred), np.float32)


def _columns(clip: MotionClip) -> Float:
    """Square roots of the phone columns: what is less likely counts for more."""
    assert clip.phones is not None
    return np.sqrt(clip.phones)


def _lower(motion: Float) -> Float:
    return motion[:, : len(MESH64_LOWER)]


def _statistics(motion: Float) -> tuple[Float, Float]:
    lower = _lower(motion)
    return lower.mean(axis=0), lower.std(axis=0) + np.float32(_MIN_DEVIATION)


@torch.inference_mode()
def taught(teachers: Sequence[StyleTalk], clip: MotionClip, style: Float) -> Float:
    """Return the mean lower face (T, 13) of the teachers, with the whole look-ahead, averaged over three frames."""
    assert clip.phones is not None
    cut = torch.from_numpy(windows(clip.phones, CONTEXT))[None]
    said = [
        lower_face(model, cut, model.mix_style(model.encode_style(torch.from_numpy(style))[None]))[0]
        for model in teachers
    ]
    mean = torch.stack(said).mean(dim=0).numpy()
    padded = np.concatenate([mean[:1], mean, mean[-1:]])
    smooth = sum(weight * padded[shift : shift + len(mean)] for shift, weight in enumerate(_KERNEL))
    return np.asarray(smooth, np.float32)


def lower_face(model: StyleTalk, phones: Tensor, state: StyleState) -> Tensor:
    """Decodes windows (S, N, 11, 41) into the coefficients (S, N, 13) of the lower face."""
    return decode_lower_face(model, phones, state)[..., : len(MESH64_LOWER)]


class Lessons:
    """Draws batches of sequences.

    Sequences depend only on the seed and the number of the batch. The code of a span of a style is encoded when it is
    first drawn, by the network as it is then: in a training, with the noise of its dropout.
    """

    def __init__(
        self, model: StyleTalk, lessons: Sequence[Lesson], styles: Sequence[MotionClip], lips: LipMap, seed: int
    ) -> None:
        self._model = model
        self._styles = styles
        self._seed = seed
        self._signals, self._landmarks = (part.numpy() for part in lower_maps(lips))
        deviations = np.stack([self._deviation(index) for index in range(len(styles))])
        self._usual = deviations.mean(axis=0)
        long = [lesson for lesson in lessons if len(lesson.target) > _FRAMES]
        weight = people_balanced(list({lesson.clip.name: lesson.clip for lesson in long}.values()))
        self._pools = []
        for own in (True, False):
            pool = [lesson for lesson in long if (styles[lesson.style].name == lesson.clip.name) == own]
            if not pool:
                raise InputError(f"no clip of {_FRAMES + 1} frames is said in {'its own' if own else 'another'} style")
            share = np.array([weight[lesson.clip.name] for lesson in pool])
            self._pools.append((pool, share / share.sum()))
        self._codes = dict[tuple[int, int], Tensor]()

    def __getitem__(self, step: int) -> LessonBatch:
        """Draws batch number ``step``."""
        random = np.random.default_rng([self._seed, step])
        rows = [self._sequence(random) for _ in range(_SEQUENCES)]
        phones, heard, target, style = zip(*rows, strict=True)
        scale = np.stack([self._deviation(index) for index in style]) + _STILL * self._usual
        return LessonBatch(
            torch.from_numpy(np.stack(phones)),
            torch.from_numpy(np.stack(heard)),
            torch.from_numpy(np.stack(target)),
            torch.stack([self._code(index, int(random.integers(_STYLE_SPANS))) for index in style]),
            torch.from_numpy(scale)[:, None],
            torch.tensor([self._distance(index) for index in style]),
        )

    def _sequence(self, random: Generator) -> tuple[Float, Float, Float, int]:
        """Windows (N, 11, 41), columns (N, 41), target (N, 13) and style of a random sequence."""
        pool, share = self._pools[int(random.random() >= _OWN)]
        lesson = pool[random.choice(len(pool), p=share)]
        clip, augmentation, frames = lesson.clip, AugmentationConfig(), _FRAMES + 1
        columns = clip.phones
        assert columns is not None
        if clip.aligned is not None and random.random() < augmentation.aligned:
            known = _ALIGNED * random.random()
            columns = (known * clip.aligned + (1 - known) * columns).astype(np.float32)
        start = int(random.integers(len(columns) - frames + 1))
        before = min(start, _AROUND)
        around = noisy(random, columns[start - before : start + frames + _AROUND], augmentation)
        cut = windows(around, int(random.choice(_FUTURE)))[before : before + frames]
        return cut, columns[start : start + frames], lesson.target[start : start + frames], lesson.style

    def _code(self, style: int, span: int) -> Tensor:
        """Code of a style's whole clip (span 0) or of a random span of it."""
        if (style, span) not in self._codes:
            motion = self._styles[style].coefficients
            if span > 0:
                random = np.random.default_rng([style, span])
                length = min(len(motion), int(random.integers(*_SPAN_FRAMES)))
                start = int(random.integers(len(motion) - length + 1))
                motion = motion[start : start + length]
            self._codes[style, span] = self._model.encode_style(torch.from_numpy(motion))
        return self._codes[style, span].clone()

    def _deviation(self, style: int) -> Float:
        motion = self._styles[style].coefficients[:, : len(self._signals)]
        return np.asarray((motion @ self._signals).std(axis=0), np.float32)

    def _distance(self, style: int) -> float:
        points = self._styles[style].coefficients[:, : len(self._landmarks)] @ self._landmarks
        return float(np.linalg.norm((points - points.mean(axis=0)).reshape(len(points), -1, 2), axis=-1).mean())


def lower_maps(lips: LipMap) -> tuple[Tensor, Tensor]:
    """Maps from the lower face to articulators and coefficients (13, 6 + 13) and to lip landmarks x y (13, 80)."""
    landmarks, _, articulators = lips.tensors()
    lower = len(MESH64_LOWER)
    points = landmarks[:lower].reshape(lower, -1, 3)[..., :2].reshape(lower, -1)
    return torch.cat([articulators[:lower], torch.eye(lower)], dim=1), points
