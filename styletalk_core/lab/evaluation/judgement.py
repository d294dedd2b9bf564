"""Evaluates a clip, its baselines and the styles; result keys follow the CLI contract.

Runs on: the main thread; pure apart from the tracker.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.evaluation.articulators import HEAD_ARTICULATORS, Comparison, head_follows, of_motion, ranges
from styletalk_core.lab.evaluation.baselines import BASELINES
from styletalk_core.lab.evaluation.clip import SelfDrivenClip
from styletalk_core.lab.evaluation.rendered_frames import Reenactment
from styletalk_core.lab.evaluation.style_classifier import StyleClassifier
from styletalk_core.lab.training.clips import MotionClip, shift
from styletalk_core.lab.training.evaluation import best_correlation, closed_in_silence, generate, judge, mean
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.library.style_motion import STILL_HEAD, StyleMotion, StyleMotions, head_range
from styletalk_core.library.styles import Style
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import FPS, SIL_INDEX

Float = NDArray[np.float32]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class ShownMotion:
    """What a call shows, T frames at 30 fps: expression (T, 64), pose (T, 6), gaze (T, 2), blink (T,)."""

    expression: Float
    pose: Float
    gaze: Float
    blink: Float


Composing = Callable[[Float, SelfDrivenClip, StyleMotion], ShownMotion]
"""Adds to decoded coefficients (T, 64) of a clip what a call adds to them in a style."""

_MAX_OFFSET_FRAMES: Final = 6
"""Maximum audio-video offset of a clip."""
GENERATED: Final = "generated"
"""Row of the network, next to the rows of the baselines."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Evaluates clips; holds the models and settings shared by all of them."""

    network: StyleTalk
    model: FaceModel
    lips: LipMap
    tracker: FaceTracker
    future: int
    """Look-ahead of the decoder in frames, 0 to 5."""
    compose: Composing
    motions: StyleMotions
    rendered: bool = False
    """Whether the articulators are also read from rendered and re-tracked video."""

    def in_step(self, clip: SelfDrivenClip) -> tuple[SelfDrivenClip, int]:
        """Shifts the audio to the best match with the video; returns the clip and the audio delay in frames.

        In-the-wild clips have an audio-video offset of some frames, which must not affect the metrics.
        """
        opening = self.lips.opening(self._own(clip))
        _, late = best_correlation(opening, self.lips.opening(clip.motion.coefficients), _MAX_OFFSET_FRAMES)
        assert clip.motion.phones is not None
        moved = replace(clip.motion, phones=shift(clip.motion.phones, -late))
        sooner = np.clip(np.arange(len(clip.loudness)) + late, 0, len(clip.loudness) - 1)
        return replace(clip, motion=moved, loudness=clip.loudness[sooner]), late

    def clip(self, clip: SelfDrivenClip, late: int, baselines: bool = True) -> dict[str, Figures]:
        """Metrics of the generated motion and of every baseline, by name; lags include the offset before `in_step`."""
        motions = {GENERATED: self._own(clip)}
        if baselines:
            motions |= {name: make(clip, self.lips) for name, make in BASELINES.items()}
        reenactment = Reenactment(clip, self.tracker, self.model)
        figures = {
            name: self._motion_figures(motion, clip, late) | asdict(reenactment.judge(motion))
            for name, motion in motions.items()
        }
        figures[GENERATED] |= self._articulator_figures(motions[GENERATED], clip, reenactment)
        return figures

    def _articulator_figures(self, motion: Float, clip: SelfDrivenClip, reenactment: Reenactment) -> Figures:
        """Figures of all articulators as a call shows them, from coefficients and, if wanted, from rendered video."""
        seen = np.ones(len(motion), np.bool_)
        own = Style.of_motion(clip.motion.name, clip.motion.coefficients, clip.pose, seen, clip.motion.name, 1.0)
        shown = self.compose(motion, clip, self.motions.of_style(own))
        true = clip.motion.coefficients
        _, lag = best_correlation(self.lips.opening(shown.expression), self.lips.opening(true))
        spoken = spoken_frames(clip.motion)
        found = of_motion(shown.expression, shown.pose, self.model)
        figures = Comparison(found, of_motion(true, clip.pose, self.model), spoken, lag).figures()
        follows, shuffled = head_follows(shown.pose, clip.loudness)
        figures |= {"head_energy_correlation": follows, "head_energy_correlation_shuffled": shuffled}
        if self.rendered:
            again = reenactment.tracked(shown.expression, shown.pose, shown.gaze, shown.blink)
            if again is not None:
                rendered = Comparison(again, clip.seen, spoken, lag).figures()
                figures |= {f"rendered_{name}": value for name, value in rendered.items()}
        return figures

    def _own(self, clip: SelfDrivenClip) -> Float:
        """Motion (T, 64) generated from the clip's audio in its own style."""
        return generate(self.network, clip.motion, clip.motion.coefficients, self.future)

    def _motion_figures(self, motion: Float, clip: SelfDrivenClip, late: int) -> Figures:
        figures: Figures = asdict(judge(motion, clip.motion, self.lips))
        lag = late + figures["best_lag_frames"]
        return figures | {"best_lag_frames": lag, "lag_ms": 1000 / FPS * lag, "offset_frames": float(late)}

    def style_ranges(self, clips: Sequence[SelfDrivenClip], style: Style) -> Figures:
        """Return the range of every articulator of clips said in a style, against the style's own clip.

        Also the share of the frames of long silences in which the lips are closed. The head of a style whose clip does
        not move it is left out.
        """
        said = [self.shown_in(clip, {style.name: style})[style.name] for clip in clips]
        own = of_motion(style.coefficients, style.pose, self.model)
        found = mean([ranges(of_motion(part.expression, part.pose, self.model), own) for part in said])
        rows = [{"silence_closed": self._silent_lips(*pair)} for pair in zip(said, clips, strict=True)]
        found |= mean(rows)
        still = head_range(style) < STILL_HEAD
        return {name: value for name, value in found.items() if not (still and name in HEAD_ARTICULATORS)}

    def _silent_lips(self, shown: ShownMotion, clip: SelfDrivenClip) -> float:
        return closed_in_silence(self.lips.opening(shown.expression), ~spoken_frames(clip.motion))

    def shown_in(self, clip: SelfDrivenClip, styles: Mapping[str, Style]) -> dict[str, ShownMotion]:
        """Return what a call shows of a clip said in each style."""
        decoded = {name: generate(self.network, clip.motion, s.coefficients, self.future) for name, s in styles.items()}
        return {name: self.compose(decoded[name], clip, self.motions.of_style(s)) for name, s in styles.items()}

    def styles(self, clips: Sequence[SelfDrivenClip], styles: Mapping[str, Float]) -> "StyleFigures":
        """Evaluates every clip in every style, each given as real motion (L, 64)."""
        return said_in(styles, [clip.motion for clip in clips], self.network, self.lips, self.future)


@dataclass(frozen=True, slots=True)
class StyleFigures:
    """Results per style."""

    recognized: dict[str, float]
    """Share of clips whose style is recognized."""
    closure_recall: dict[str, float]
    """Share of P, B and M with closed lips."""
    opening_std_ratio: dict[str, float]
    """Deviation of the mouth's opening, relative to that of the real motion in this style."""

    @property
    def accuracy(self) -> float:
        """Recognition rate, averaged over the styles."""
        return float(np.mean(list(self.recognized.values())))


def said_in(
    styles: Mapping[str, Float], clips: Sequence[MotionClip], network: StyleTalk, lips: LipMap, future: int
) -> StyleFigures:
    """Evaluates every clip in every style, each given as real motion (L, 64), with ``future`` frames of look-ahead."""
    classifier = StyleClassifier(styles)
    recognized: dict[str, float] = {}
    recalls: dict[str, float] = {}
    ranges: dict[str, float] = {}
    for name, motion in styles.items():
        spoken = [generate(network, clip, motion, future) for clip in clips]
        recognized[name] = float(np.mean([classifier.classify(part) == name for part in spoken]))
        figures = [judge(part, clip, lips) for part, clip in zip(spoken, clips, strict=True)]
        recalls[name] = mean([asdict(row) for row in figures])["closure_recall"]
        ranges[name] = float(np.mean([lips.opening(part).std() for part in spoken]) / lips.opening(motion).std())
    return StyleFigures(recognized, recalls, ranges)


def spoken_frames(motion: MotionClip) -> NDArray[np.bool_]:
    """Return the frames (T,) in which a phone is heard."""
    assert motion.phones is not None
    return np.asarray(motion.phones.argmax(axis=1) != SIL_INDEX)


def shortened(clip: SelfDrivenClip, frames: int) -> SelfDrivenClip:
    """The first frames of a clip's motion, without images, for the style evaluation."""
    motion = clip.motion
    assert motion.phones is not None
    part = replace(motion, coefficients=motion.coefficients[:frames], phones=motion.phones[:frames])
    shorter = replace(clip, motion=part, pose=clip.pose[:frames], seen=clip.seen[:frames])
    return replace(shorter, loudness=clip.loudness[:frames], frames=[], landmarks=clip.landmarks[:0])
