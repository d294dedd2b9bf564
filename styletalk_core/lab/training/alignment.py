"""Audio-video offset of in-the-wild clips (section 4.1: training data must be synchronised).

A ridge regression from phone windows to mouth opening, fitted on a source with a known lag, predicts the mouth's
motion; the offset of a clip is the lag at which its tracked mouth correlates best with the prediction. One-second clips
carry little evidence each, so it is combined with a prior: how often each lag occurs in the whole source.

Runs on: any thread; pure apart from reading clips.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.lab.training.clips import MotionClip, in_step, read_clips, shift, spoken, windows
from styletalk_core.lab.training.lips import LipMap

REFERENCE: Final = "GRID"
REFERENCE_LAG: Final = 1
"""In GRID, lips close 0.7 frames after the middle of P, B and M (581 occurrences, by forced alignment)."""
MAX_LAG: Final = 6
_RIDGE: Final = 30.0
_ROUNDS: Final = 8
_FRAMES_PER_SAMPLE: Final = 4.0
"""Neighbouring frames are correlated: this many count as one independent observation."""

Openings = dict[str, NDArray[np.float32]]


def read_clips_in_step(folder: Path, manifest: Path, lips: LipMap, licence: str = "all") -> list[MotionClip]:
    """Reads the clips of `clips.read_clips` and shifts the phones of each to match its video.

    Raises:
        InputError: no clip can be used.
    """
    clips = read_clips(folder, manifest, licence)
    return in_step(clips, estimate_lags(clips, {clip.name: lips.opening(clip.coefficients) for clip in clips}))


def estimate_lags(clips: Sequence[MotionClip], openings: Openings) -> dict[str, int]:
    """Estimates by how many frames the video lags behind the audio.

    Args:
        clips: all clips; those without phones are skipped.
        openings: mouth opening (T,) by clip name.

    Returns:
        Lag in frames by clip name. Clips of the reference source get its known lag; without any reference clips, all
        others get 0.
    """
    lags = {clip.name: REFERENCE_LAG if clip.source == REFERENCE else 0 for clip in clips}
    reference = [clip for clip in spoken(clips, "train") if clip.source == REFERENCE]
    if not reference:
        return lags
    weight = _fit(reference, openings)
    by_source: dict[str, list[MotionClip]] = defaultdict(list)
    for clip in clips:
        if clip.phones is not None and clip.source != REFERENCE:
            by_source[clip.source].append(clip)
    for members in by_source.values():
        evidence = np.stack([_evidence(clip, openings[clip.name], weight) for clip in members])
        share = np.full(evidence.shape[1], 1 / evidence.shape[1])
        for _ in range(_ROUNDS):
            belief = np.exp(evidence - evidence.max(axis=1, keepdims=True)) * share
            belief /= belief.sum(axis=1, keepdims=True)
            share = (belief.sum(axis=0) + 1) / (len(members) + len(share))
        for clip, row in zip(members, belief, strict=True):
            lags[clip.name] = int(row.argmax()) - MAX_LAG
    return lags


def _features(clip: MotionClip, lag: int = 0) -> NDArray[np.float32]:
    assert clip.phones is not None
    return windows(shift(clip.phones, lag)).reshape(len(clip.phones), -1)


def _fit(clips: Sequence[MotionClip], openings: Openings) -> NDArray[np.float32]:
    width = _features(clips[0]).shape[1]
    square, product = np.zeros((width, width)), np.zeros(width)
    for clip in clips:
        x = _features(clip, REFERENCE_LAG)
        y = _standardise(openings[clip.name])
        square += x.T @ x
        product += x.T @ y
    return np.linalg.solve(square + _RIDGE * np.eye(width), product).astype(np.float32)


def _evidence(clip: MotionClip, opening: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log likelihood of every lag in -MAX_LAG..MAX_LAG, for a Gaussian residual at the best scale."""
    expected = _features(clip) @ weight
    result = []
    for lag in range(-MAX_LAG, MAX_LAG + 1):
        heard = expected[max(0, -lag) : len(expected) - max(0, lag)]
        seen = opening[max(0, lag) : len(opening) + min(0, lag)]
        correlation = max(0.0, float(np.mean(_standardise(heard) * _standardise(seen))))
        result.append(-0.5 * len(seen) / _FRAMES_PER_SAMPLE * np.log(1 - min(correlation, 0.99) ** 2))
    return np.array(result)


def _standardise(x: NDArray[np.float32]) -> NDArray[np.float32]:
    standardised: NDArray[np.float32] = (x - x.mean()) / (x.std() + 1e-6)
    return standardised
