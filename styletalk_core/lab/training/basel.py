"""Fits the maps between mesh64 and the Basel coefficients of the authors' networks: `styletalk train basel`.

In: the coefficient files of the official samples and style clips, and the tracks and coefficients that
`styletalk dataset build` wrote for the same videos. Runs on: the command line, in seconds.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from styletalk_core.errors import InputError
from styletalk_core.face.basel import EXPRESSION, BaselMap, MapQuality, head_features
from styletalk_core.face.basel_alignment import FIVE, SIDE, crop_parameters, five_points
from styletalk_core.face.basel_file import read_basel_file
from styletalk_core.face.clip_motion import ClipMotion
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import euler_angles, fit_head
from styletalk_core.lab.dataset import VideoClip, coefficients_path, load_track, read_manifest, track_path
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.phones import FPS
from styletalk_core.weights import weight_path

Array = NDArray[np.float32]

_RIDGE: Final = 300.0
_MESH_RIDGE: Final = 30.0
"""Less than `_RIDGE`: lips that open too little are worse than coefficients that tremble."""
_MAX_CROP_OFFSET: Final = 20.0
"""Distance between the face and its crop parameters, px, beyond which these belong to another image."""
_JUDGED_COEFFICIENTS: Final = 12
"""Expression directions whose correlation is reported."""
_EVERY: Final = 3
"""Frames between those that the standard face is fitted to."""
_HALF_FACE: Final = np.array([[0.32, 0.28, 0.14], [0.0, 0.01, 0.55], [0.21, -0.37, 0.22]])
"""First guess of the standard face, of which one half is fitted: eye, nose, corner of the mouth."""
_CARD: Final = {
    "purpose": "mesh64 coefficients and head pose to the coefficients of the published networks, and back",
    "terms": "research use: fitted on the coefficient files and videos of the official StyleTalk samples",
}


@dataclass(frozen=True, slots=True)
class _Pair:
    """One clip in both models, T frames: ``mesh`` (T, 64), ``head`` (T, 7), ``basel`` (T, 73), ``five`` (T, 5, 2).

    ``gap`` (T,) is the tracked inner-lip gap.
    """

    mesh: Array
    head: Array
    basel: Array
    five: NDArray[np.float64]
    gap: Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video and official_dev")
    parser.add_argument("--cache", type=Path, required=True, help="folder with tracks/ and coefficients/")
    parser.add_argument("--out", type=Path, help="weight file to write (basel.safetensors of the set)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the maps; returns their `MapQuality` on unseen people.

    Raises:
        InputError: no clip has coefficients in both models.
    """
    clips = {Path(clip.name).name: clip for clip in read_manifest(args.data)}
    train: list[_Pair] = []
    unseen: list[_Pair] = []
    for path in sorted((args.data / "official_dev").rglob("*.mat")):
        clip = clips.get(path.stem)
        if clip and track_path(args.cache, clip).is_file() and coefficients_path(args.cache, clip).is_file():
            (train if clip.split == "train" else unseen).append(_pair(path, clip, args.cache))
    if not train or not unseen:
        raise InputError(f"{args.data}/official_dev and {args.cache} have too few clips in common")
    fitted = fit(train, unseen)
    out = args.out or weight_path("basel.safetensors")
    fitted.save(out, _CARD | {"clips": str(len(train)), "unseen_clips": str(len(unseen))})
    figures = asdict(fitted.quality)
    if not args.json:
        print(f"{out}: {len(train)} clips; on {len(unseen)} others {figures}")
    return figures | {"file": str(out)}


def _pair(path: Path, clip: VideoClip, cache: Path) -> _Pair:
    """Reads a clip; where its video has more frames than coefficients, these begin later by as many."""
    stored = read_basel_file(path)
    track = load_track(cache, clip)
    late = max(0, len(track.landmarks) - len(stored.expression))
    count = min(len(stored.expression), len(track.landmarks) - late)
    motion = ClipMotion.load(coefficients_path(cache, clip))
    at = (np.arange(count) + late) * FPS / track.fps
    mesh, gap = (
        np.stack([np.interp(at, np.arange(len(part)), column) for column in np.atleast_2d(part.T)], axis=1)
        for part in (motion.coefficients, motion.gap)
    )
    landmarks, side = track.landmarks[late : late + count], float(track.size[0])
    head = fit_head(landmarks, FaceModel.load().mean)
    placed = head_features(euler_angles(head.rotation), head.shift[:, :2] / side, head.scale / side)
    seen = np.isfinite(placed).all(axis=1)
    basel = np.concatenate([stored.expression, stored.placement], axis=1)[:count]
    five = five_points(landmarks[:, list(FIVE)] * (SIDE / side), SIDE)
    return _Pair(
        mesh[seen].astype(np.float32),
        placed[seen],
        basel[seen],
        five[seen],
        gap[seen, 0].astype(np.float32),
    )


def fit(pairs: Sequence[_Pair], unseen: Sequence[_Pair]) -> BaselMap:
    """Fits the maps on ``pairs`` and measures them on ``unseen``.

    Expressions are fitted on changes within a clip, since the neutral face differs between people.
    """
    expression, rest = _ridge([pair.mesh for pair in pairs], [pair.basel[:, :EXPRESSION] for pair in pairs], _RIDGE)
    mesh, mesh_rest = _ridge([pair.basel[:, :EXPRESSION] for pair in pairs], [pair.mesh for pair in pairs], _MESH_RIDGE)
    placed = [pair for pair in pairs if _in_place(pair)]
    head, basel = (np.concatenate([getattr(pair, name) for pair in placed]) for name in ("head", "basel"))
    placement = np.linalg.lstsq(head, basel[:, EXPRESSION : EXPRESSION + 6], rcond=None)[0]
    five = np.concatenate([pair.five for pair in placed])
    standard = _standard_face(five[::_EVERY], basel[::_EVERY, -3:])
    fitted = BaselMap(
        expression=expression,
        rest=rest,
        mesh=mesh,
        mesh_rest=mesh_rest,
        placement=placement.astype(np.float32),
        five_points=standard.astype(np.float32),
        aligned=np.median(basel[:, -3:], axis=0),
        quality=MapQuality(0, 0, 0, 0, 0, 0),
    )
    return replace(fitted, quality=_judged(fitted, unseen))


def _ridge(inputs: Sequence[Array], outputs: Sequence[Array], ridge: float) -> tuple[Array, Array]:
    """Return the linear map of changes within a clip, and the mean over the clips of what it leaves."""
    x, y = _changes(inputs), _changes(outputs)
    change = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    left = [(one - other @ change).mean(axis=0) for one, other in zip(outputs, inputs, strict=True)]
    return np.ascontiguousarray(change, np.float32), np.asarray(np.mean(left, axis=0), np.float32)


def _changes(clips: Sequence[Array]) -> Array:
    """Return the deviations of all frames from the mean of their clip."""
    return np.concatenate([clip - clip.mean(axis=0) for clip in clips])


def _in_place(pair: _Pair) -> bool:
    """True if the crop parameters belong to the images of this video."""
    return bool(np.abs(pair.five.mean(axis=1) - pair.basel[:, -2:]).mean() < _MAX_CROP_OFFSET)


def _standard_face(points: NDArray[np.float64], crop: Array) -> NDArray[np.float64]:
    """Return the symmetric five points (5, 3) for which `crop_parameters` of ``points`` (N, 5, 2) are ``crop``."""

    def residuals(half: NDArray[np.float64]) -> NDArray[np.float64]:
        found = crop_parameters(points, _whole(half))
        return np.concatenate([100 * (found[:, 0] / crop[:, 0] - 1), (found[:, 1:] - crop[:, 1:]).ravel()])

    half: NDArray[np.float64] = least_squares(residuals, _HALF_FACE.ravel(), loss="soft_l1").x
    return _whole(half)


def _whole(half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the five points (5, 3) of one half: eye, nose and corner of the mouth (9,)."""
    eye, nose, mouth = half.reshape(3, 3)
    mirror = np.array([-1, 1, 1])
    return np.stack([mirror * eye, eye, [0, *nose[1:]], mirror * mouth, mouth])


def _judged(fitted: BaselMap, pairs: Sequence[_Pair]) -> MapQuality:
    """Measures the maps on clips of other people."""
    lips = LipMap.of(FaceModel.load())
    expressions = [pair.basel[:, :EXPRESSION] for pair in pairs]
    true, made = _changes(expressions), _changes([fitted.to_basel(pair.mesh) for pair in pairs])
    shown, shown_made = (
        _changes(parts) @ lips.landmarks
        for parts in ([pair.mesh for pair in pairs], [fitted.to_mesh(part) for part in expressions])
    )
    largest = np.argsort(-true.var(axis=0))[:_JUDGED_COEFFICIENTS]
    openings = [lips.opening(fitted.to_mesh(part)) for part in expressions]
    angles = [(fitted.place(pair.head) - pair.basel[:, EXPRESSION:-3])[:, :3] for pair in pairs]
    crops = [
        crop_parameters(pair.five, fitted.five_points)[:, 1:] - pair.basel[:, -2:] for pair in pairs if _in_place(pair)
    ]
    return MapQuality(
        to_basel_correlation=_rounded(np.mean([np.corrcoef(true[:, k], made[:, k])[0, 1] for k in largest])),
        to_basel_error=_rounded(_rms(true - made) / _rms(true)),
        to_mesh_error=_rounded(_rms(shown - shown_made) / _rms(shown)),
        opening_correlation=_rounded(
            min(np.corrcoef(found, pair.gap)[0, 1] for found, pair in zip(openings, pairs, strict=True))
        ),
        angle_error_deg=_rounded(np.degrees(_rms(np.concatenate(angles)))),
        crop_error_px=_rounded(_rms(np.concatenate(crops))),
    )


def _rms(values: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _rounded(value: Any) -> float:
    return round(float(value), 3)
