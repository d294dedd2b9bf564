"""Compares generated with tracked motion (section 4.2; metrics as the CLI contract defines them).

Works on coefficients; the evaluation that renders frames and re-tracks them uses the same `judge`.

Runs on: any thread; pure.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from styletalk_core.face.basel import converted
from styletalk_core.face.spaces import MESH64
from styletalk_core.lab.training.clips import MotionClip, windows
from styletalk_core.lab.training.lips import CLOSED, LipMap
from styletalk_core.models.steadying import steadied
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import CLOSED_LIPS, CONTEXT, SIL_INDEX

PIXELS: Final = 80.0
"""Distance between the outer eye corners in a 256 x 256 face crop, px."""
MAX_LAG: Final = 4
_LONG_SILENCE: Final = 9
"""Silence longer than this (300 ms) must have closed lips; frames."""
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MotionFigures:
    """Metrics of the generated motion of one clip; NaN where a metric does not apply."""

    opening_correlation: float
    best_lag_frames: float
    opening_std_ratio: float
    lip_error_px: float
    lip_error_mean_mouth_px: float
    lip_error_still_px: float
    closure_recall: float
    closure_precision: float
    silence_closed: float
    jitter_ratio: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """MotionFigures by clip name."""

    clips: dict[str, MotionFigures]

    def mean(self) -> dict[str, float]:
        """Mean of every metric over the clips that have it, rounded for display; without metrics that no clip has."""
        means = mean([asdict(figures) for figures in self.clips.values()])
        return {key: round(value, 3) for key, value in means.items() if np.isfinite(value)}


def mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of every metric over the rows that have it; NaN if none has."""
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    known = {key: column[np.isfinite(column)] for key, column in columns.items()}
    return {key: float(column.mean()) if len(column) else np.nan for key, column in known.items()}


def generate(model: StyleTalk, clip: MotionClip, style: Array, future: int = CONTEXT) -> Array:
    """Decodes a clip's phones in the style of coefficients (L, 64), with ``future`` frames of look-ahead: (T, 64).

    Both are of `mesh64`; a network that speaks Basel coefficients is given and judged by estimates of them.
    """
    assert clip.phones is not None
    return decoded(model, clip.phones, style, future)


@torch.inference_mode()
def decoded(model: StyleTalk, phones: Array, style: Array, future: int = CONTEXT) -> Array:
    """Decodes phone columns (T, 41) as `generate` does those of a clip."""
    space = model.dimensions.space
    state = model.mix_style(model.encode_style(torch.from_numpy(converted(style, MESH64, space)))[None])
    cut = torch.from_numpy(windows(phones, future))
    motion = np.concatenate([model.decode(part[None], state)[0].numpy() for part in torch.split(cut, 256)])
    return steadied(motion) if space == MESH64 else converted(motion, space, MESH64)


def evaluate(model: StyleTalk, clips: Sequence[MotionClip], lips: LipMap, future: int = CONTEXT) -> Evaluation:
    """Self-driven evaluation on coefficients: each clip decoded from its own phones in its own style."""
    found = {clip.name: generate(model, clip, clip.coefficients, future) for clip in clips}
    return Evaluation({clip.name: judge(found[clip.name], clip, lips) for clip in clips})


def look_ahead_curve(model: StyleTalk, clips: Sequence[MotionClip], lips: LipMap) -> dict[int, dict[str, float]]:
    """Mean metrics for a look-ahead of 0 to 5 frames."""
    return {future: evaluate(model, clips, lips, future).mean() for future in range(CONTEXT + 1)}


def judge(found: Array, clip: MotionClip, lips: LipMap) -> MotionFigures:
    """Compares generated coefficients (T, 64) with the clip's own."""
    assert clip.phones is not None
    true = clip.coefficients
    opening, true_opening = lips.opening(found), lips.opening(true)
    correlation, lag = best_correlation(opening, true_opening)
    points, true_points = (_points(motion, lips) for motion in (found, true))
    heard = clip.phones.argmax(axis=1)
    recall, precision = closure_scores(opening, heard)
    jitter, true_jitter = (np.abs(np.diff(motion, n=3, axis=0)).mean() for motion in (points, true_points))
    return MotionFigures(
        opening_correlation=correlation,
        best_lag_frames=lag,
        opening_std_ratio=float(opening.std() / (true_opening.std() + 1e-6)),
        lip_error_px=_distance(points, true_points),
        lip_error_mean_mouth_px=_distance(true_points.mean(axis=0)[None], true_points),
        lip_error_still_px=_distance(np.zeros_like(true_points), true_points),
        closure_recall=recall,
        closure_precision=precision,
        silence_closed=closed_in_silence(opening, heard == SIL_INDEX),
        jitter_ratio=float(jitter / (true_jitter + 1e-9)),
    )


def best_correlation(found: Array, true: Array, most: int = MAX_LAG) -> tuple[float, int]:
    """Pearson correlation at the best lag within ±``most`` frames; a positive lag means ``found`` comes late."""
    best, best_lag = -1.0, 0
    for lag in sorted(range(-most, most + 1), key=abs):
        a = found[max(0, lag) : len(found) + min(0, lag)]
        b = true[max(0, -lag) : len(true) - max(0, lag)]
        spread = a.std() * b.std()
        value = float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 1e-9 else 0.0
        if value > best:
            best, best_lag = value, lag
    return best, best_lag


def closure_scores(opening: Array, heard: NDArray[np.int64]) -> tuple[float, float]:
    """Precision and recall of lip closures for the recognized phones (T,).

    Returns:
        (recall, the share of P, B and M with closed lips within ±2 frames;
        precision, the share of closures during speech with a P, B or M within ±2 frames).
    """
    bilabial = np.isin(heard, CLOSED_LIPS)
    closed = opening < CLOSED
    recall = [closed[max(0, begin - 2) : end + 2].any() for begin, end in _runs(bilabial)]
    near, near_silence = (np.convolve(flags, np.ones(5), mode="same") > 0.5 for flags in (bilabial, heard == SIL_INDEX))
    amid_speech = [(begin, end) for begin, end in _runs(closed) if not near_silence[begin:end].any()]
    closures = [near[begin:end].any() for begin, end in amid_speech]
    return (float(np.mean(recall)) if recall else np.nan, float(np.mean(closures)) if closures else np.nan)


def closed_in_silence(opening: Array, silent: NDArray[np.bool_]) -> float:
    """Return the share of the frames (T,) of long silences in which the lips are closed; NaN without such a silence."""
    spans = [opening[begin + 2 : end - 2] for begin, end in _runs(silent) if end - begin > _LONG_SILENCE]
    return float(np.mean(np.concatenate(spans) < CLOSED)) if spans else np.nan


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end of every run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _points(motion: Array, lips: LipMap) -> Array:
    """Lip landmarks (T, 40, 2) in pixels, as seen from the front."""
    return PIXELS * (motion @ lips.landmarks).reshape(len(motion), 40, 3)[..., :2]


def _distance(found: Array, true: Array) -> float:
    return float(np.linalg.norm(found - true, axis=-1).mean())
