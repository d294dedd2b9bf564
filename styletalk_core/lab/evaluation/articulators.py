"""Articulators: eleven scalars that describe how lips, brows, lids and head move, and their comparison with the truth.

They are read from canonical faces and head poses, so coefficients and re-tracked video are measured alike. Lengths are
in inter-ocular distances, angles in radians. Constant offsets between two people do not count.

Runs on: any thread; pure.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.eyelids import blinking, lid_gaps
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import fit_head
from styletalk_core.face.landmarks import BROW_LEFT, BROW_RIGHT
from styletalk_core.face.track import Track
from styletalk_core.lab.training.clips import bridged
from styletalk_core.lab.training.lips import CLOSED, LIP_ARTICULATORS, lip_articulators
from styletalk_core.phones import FPS

Float = NDArray[np.float32]

HEAD_ARTICULATORS: Final = ("head_yaw", "head_pitch", "head_roll")
ARTICULATORS: Final = (*LIP_ARTICULATORS, "brows", "lids", *HEAD_ARTICULATORS)
"""Columns of an (T, 11) array of articulators."""
_BROWS, _LIDS = ARTICULATORS.index("brows"), ARTICULATORS.index("lids")

_CLOSED_PERCENTILE: Final = 3
_MIN_OPEN_FRAMES: Final = 10
"""Frames outside blinks that the lids need to be compared."""
_ENVELOPE_FRAMES: Final = 15
"""Frames over which head speed and loudness are averaged before they are correlated."""
_SHIFTS: Final = 8
"""Circular shifts of the loudness that stand for a shuffled clip."""
_TINY: Final = 1e-6


def of_faces(faces: Float, pose: Float) -> Float:
    """Return the articulators (T, 11) of canonical faces (T, >=468, 3) and head poses (T, 6)."""
    brows = faces[:, [*BROW_LEFT, *BROW_RIGHT], 1].mean(axis=1)
    others = (-brows, lid_gaps(faces).mean(axis=1), pose[:, 1], pose[:, 0], pose[:, 2])
    return np.column_stack([lip_articulators(faces), *others]).astype(np.float32)


def of_motion(coefficients: Float, pose: Float, model: FaceModel) -> Float:
    """Return the articulators (T, 11) of coefficients (T, 64) and head poses (T, 6), on the mean neutral face."""
    return of_faces(model.mean + model.offsets(coefficients), pose)


def of_track(track: Track, shape: Float) -> Float | None:
    """Return the articulators (T, 11) of a track at 30 fps with gaps bridged; None if its face is seen too rarely.

    Args:
        track: landmarks of a person.
        shape: (478, 3) the person's `PersonFace.shape`.
    """
    track = track.resampled(FPS)
    head = fit_head(track.landmarks, shape)
    seen = of_faces(head.remove(track.landmarks), head.poses())
    seen[:, 0] -= min(float(np.nanpercentile(seen[:, 0], _CLOSED_PERCENTILE)), CLOSED)  # thick lips seem to be open
    return bridged(seen, track.tracked)


def ranges(found: Float, true: Float) -> dict[str, float]:
    """Return the standard deviation of every articulator (T, 11), found over true; brows and lids without blinks."""
    return {
        name: float(_without_blinks(found, column).std() / (_without_blinks(true, column).std() + _TINY))
        for column, name in enumerate(ARTICULATORS)
    }


def closed_share(opening: Float, spoken: NDArray[np.bool_]) -> float:
    """Return the share of the spoken frames (T,) whose inner-lip gap (T,) counts as closed; NaN without speech."""
    return float((opening[spoken] < CLOSED).mean()) if spoken.any() else np.nan


def head_follows(pose: Float, loudness: Float) -> tuple[float, float]:
    """Return the correlation of head speed, from poses (T, 6), with loudness (T,): as it is, and shuffled."""
    speed = _envelope(np.linalg.norm(np.gradient(pose[:, :3], axis=0), axis=1))
    level = _envelope(loudness)
    steps = np.linspace(0, len(level), _SHIFTS + 2).astype(int)[1:-1]
    return _correlation(speed, level), float(np.mean([_correlation(speed, np.roll(level, step)) for step in steps]))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Found and true articulators (T, 11) of one clip, `lag` frames apart; `spoken` (T,) marks frames of speech."""

    found: Float
    true: Float
    spoken: NDArray[np.bool_]
    lag: int

    def figures(self) -> dict[str, float]:
        """Return correlation and range of every articulator, and the share of closed frames in speech."""
        found = self.found[max(0, self.lag) : len(self.found) + min(0, self.lag)]
        true = self.true[max(0, -self.lag) : len(self.true) - max(0, self.lag)]
        figures: dict[str, float] = {}
        for column, name in enumerate(ARTICULATORS):
            one, other = found[:, column], true[:, column]
            if column == _LIDS:
                open_ = ~(blinking(one) | blinking(other))
                one, other = one[open_], other[open_]
                if len(one) < _MIN_OPEN_FRAMES:
                    figures |= {f"{name}_correlation": np.nan, f"{name}_range": np.nan}
                    continue
            figures[f"{name}_correlation"] = _correlation(one, other)
            figures[f"{name}_range"] = float(one.std() / (other.std() + _TINY))
        return figures | {
            "closed_share": closed_share(self.found[:, 0], self.spoken),
            "closed_share_true": closed_share(self.true[:, 0], self.spoken),
        }


def _without_blinks(values: Float, column: int) -> Float:
    return values[~blinking(values[:, _LIDS]), column] if column in (_BROWS, _LIDS) else values[:, column]


def _correlation(one: Float, other: Float) -> float:
    spread = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread > _TINY**2 else 0.0


def _envelope(values: Float) -> Float:
    window = np.full(min(_ENVELOPE_FRAMES, len(values)), 1.0)
    counts = np.convolve(np.ones(len(values)), window, mode="same")
    return np.asarray(np.convolve(values, window, mode="same") / counts, np.float32)
