"""Audio-video offset of in-the-wild clips (section 4.1: training data must be synchronised).

A ridge regression from phone windows to mouth opening, fitted first on a source whose lag is known, predicts how
the mouth should move; the lag at which the tracked mouth agrees best is the clip's offset. Clips of a second say
little each, so their agreement is weighed against how often each lag occurs in the whole source.

Runs on: any thread; pure apart from reading clips.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.lab.training.clips import MotionClip, in_step, read_clips, shift, spoken
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.phone_regression import PhoneRegression

REFERENCE: Final = "GRID"
REFERENCE_LAG: Final = 1
"""In GRID, lips close 0.7 frames after the middle of P, B and M (581 occurrences, by forced alignment)."""
MAX_LAG: Final = 6
_RIDGE: Final = 30.0
_ROUNDS: Final = 8
_PASSES: Final = 2
_MIN_AGREEMENT: Final = 0.1
"""Clips below it are dubbed, or their lips hidden or badly tracked."""
_FRAMES_PER_SAMPLE: Final = 4.0
"""Neighbouring frames are correlated: this many count as one independent observation."""

logger = logging.getLogger(__name__)

Openings = dict[str, NDArray[np.float32]]


def read_clips_in_step(folder: Path, manifest: Path, lips: LipMap, licence: str = "all") -> list[MotionClip]:
    """Reads the clips of `clips.read_clips` and shifts the phones of each to match its video.

    Training clips whose lips do something else than their sound says are left out, and named in the log.

    Raises:
        InputError: no clip can be used.
    """
    clips = read_clips(folder, manifest, licence)
    offsets = estimate_offsets(clips, {clip.name: lips.opening(clip.coefficients) for clip in clips})
    apart = {name for name, offset in offsets.items() if offset.agreement < _MIN_AGREEMENT}
    left_out = sorted(clip.name for clip in clips if clip.name in apart and clip.split == "train")
    logger.info("left out, sound and lips do not agree: %s", ", ".join(left_out) or "none")
    kept = [clip for clip in clips if clip.name not in left_out]
    return in_step(kept, {name: offset.frames for name, offset in offsets.items()})


@dataclass(frozen=True, slots=True)
class Offset:
    """By how many frames the picture of a clip trails its sound, and how well they then agree."""

    frames: int
    agreement: float
    """Correlation of the mouth's opening with what the phones predict, 1 for clips without phones."""


def estimate_offsets(clips: Sequence[MotionClip], openings: Openings) -> dict[str, Offset]:
    """Finds the offset of every clip, in two rounds: the second learns from all sources, as the first put them in step.

    Args:
        clips: all clips; those without phones are skipped.
        openings: mouth opening (T,) by clip name.

    Returns:
        Offset by clip name; the reference's is its known one, 0 for all without a reference to learn from.
    """
    offsets = {clip.name: Offset(REFERENCE_LAG if clip.source == REFERENCE else 0, 1.0) for clip in clips}
    heard = [clip for clip in clips if clip.phones is not None]
    learnt_from = [clip for clip in spoken(clips, "train") if clip.source == REFERENCE]
    if not learnt_from:
        return offsets
    for _ in range(_PASSES):
        regression = _fit(learnt_from, openings, offsets)
        by_source: dict[str, list[MotionClip]] = defaultdict(list)
        for clip in heard:
            by_source[clip.source].append(clip)
        for source, members in by_source.items():
            offsets |= _of_source(members, openings, regression, source == REFERENCE)
        learnt_from = spoken(clips, "train")
    return offsets


def _of_source(
    members: Sequence[MotionClip], openings: Openings, regression: PhoneRegression, known: bool
) -> dict[str, Offset]:
    """Offset of every clip of a source, given how often each offset occurs in it; or its ``known`` one."""
    correlation = np.stack([_correlations(clip, openings[clip.name], regression) for clip in members])
    if known:
        chosen = np.full(len(members), REFERENCE_LAG + MAX_LAG)
    else:
        lengths = np.array([len(clip.coefficients) for clip in members])[:, None]
        evidence = -0.5 * lengths / _FRAMES_PER_SAMPLE * np.log(1 - np.clip(correlation, 0, 0.99) ** 2)
        chosen = _likeliest(evidence)
    return {
        clip.name: Offset(int(lag) - MAX_LAG, float(row[lag]))
        for clip, row, lag in zip(members, correlation, chosen, strict=True)
    }


def _likeliest(evidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the likeliest offset of each clip from log likelihoods (clips, offsets), frequent offsets preferred."""
    share = np.full(evidence.shape[1], 1 / evidence.shape[1])
    for _ in range(_ROUNDS):
        belief = np.exp(evidence - evidence.max(axis=1, keepdims=True)) * share
        belief /= belief.sum(axis=1, keepdims=True)
        share = (belief.sum(axis=0) + 1) / (len(evidence) + len(share))
    likeliest: NDArray[np.int64] = belief.argmax(axis=1)
    return likeliest


def _fit(clips: Sequence[MotionClip], openings: Openings, offsets: Mapping[str, Offset]) -> PhoneRegression:
    examples = []
    for clip in clips:
        assert clip.phones is not None
        phones = shift(clip.phones, offsets[clip.name].frames)
        examples.append((phones, _standardise(openings[clip.name])[:, None], 1.0))
    return PhoneRegression.fit(examples, _RIDGE)


def _correlations(clip: MotionClip, opening: NDArray[np.float32], regression: PhoneRegression) -> NDArray[np.float64]:
    """Correlation of the opening with the expected one at every offset in -MAX_LAG..MAX_LAG."""
    assert clip.phones is not None
    expected = regression(clip.phones)[:, 0]
    result = []
    for lag in range(-MAX_LAG, MAX_LAG + 1):
        heard = expected[max(0, -lag) : len(expected) - max(0, lag)]
        seen = opening[max(0, lag) : len(opening) + min(0, lag)]
        result.append(float(np.mean(_standardise(heard) * _standardise(seen))))
    return np.array(result)


def _standardise(x: NDArray[np.float32]) -> NDArray[np.float32]:
    standardised: NDArray[np.float32] = (x - x.mean()) / (x.std() + 1e-6)
    return standardised
