"""Fits the map from mesh64 to the Basel coefficients of the published renderer: `styletalk train basel`.

In: the coefficient files of the official samples and style clips, and the tracks and coefficients that
`styletalk dataset build` wrote for the same videos. Runs on: the command line, in seconds.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from styletalk_core.errors import InputError
from styletalk_core.face.basel import EXPRESSION, BaselMap, head_features
from styletalk_core.face.clip_motion import ClipMotion
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import euler_angles, fit_head
from styletalk_core.lab.dataset import VideoClip, coefficients_path, load_track, read_manifest, track_path
from styletalk_core.phones import FPS
from styletalk_core.weights import FOLDER

_EXPRESSION, _ANGLES, _TRANSLATION = slice(80, 144), slice(224, 227), slice(254, 257)
"""Columns of the official ``coeff``."""
_CROP: Final = slice(2, 5)
"""Columns of the official ``transform_params``."""
_RIDGE: Final = 300.0
_SIDE: Final = 256
"""Side of the official images, px; some coefficient files belong to larger images, whose crops are skipped."""
_JUDGED_COEFFICIENTS: Final = 6
"""Expression directions whose correlation is reported."""
_CARD: Final = {
    "purpose": "mesh64 coefficients and head pose to the 73 Basel coefficients of the published PIRenderer",
    "terms": "research use: fitted on the coefficient files and videos of the official StyleTalk samples",
}


@dataclass(frozen=True, slots=True)
class _Pair:
    """One clip in both models, T frames: ``mesh`` (T, 64), ``head`` (T, 7), ``basel`` (T, 73)."""

    mesh: NDArray[np.float32]
    head: NDArray[np.float32]
    basel: NDArray[np.float32]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video and official_dev")
    parser.add_argument("--cache", type=Path, required=True, help="folder with tracks/ and coefficients/")
    parser.add_argument("--out", type=Path, default=FOLDER / "basel.safetensors")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the map; returns ``correlation`` of the main directions and ``angle_error_deg``, both on unseen people.

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
    fitted = _fit(train)
    correlation, error = _judge(fitted, unseen)
    figures = {"correlation": [round(c, 3) for c in correlation], "angle_error_deg": [round(e, 2) for e in error]}
    fitted.save(args.out, _CARD | {"figures_on_unseen": str(figures), "clips": str(len(train))})
    if not args.json:
        print(f"{args.out}: {len(train)} clips; on {len(unseen)} others {figures}")
    return figures | {"file": str(args.out)}


def _pair(path: Path, clip: VideoClip, cache: Path) -> _Pair:
    stored = loadmat(path)
    coefficients, crop = stored["coeff"], stored["transform_params"]
    basel = np.hstack([coefficients[:, part] for part in (_EXPRESSION, _ANGLES, _TRANSLATION)] + [crop[:, _CROP]])
    track = load_track(cache, clip)
    count = min(len(basel), len(track.landmarks))
    motion = ClipMotion.load(coefficients_path(cache, clip)).coefficients
    at = np.arange(count) * FPS / track.fps
    mesh = np.column_stack([np.interp(at, np.arange(len(motion)), column) for column in motion.T])
    head = fit_head(track.landmarks[:count], FaceModel.load().mean)
    side = float(track.size[0])
    placed = head_features(euler_angles(head.rotation), head.shift[:, :2] / side, head.scale / side)
    seen = np.isfinite(placed).all(axis=1)
    return _Pair(*(part[:count][seen].astype(np.float32) for part in (mesh, placed, basel)))


def _fit(pairs: list[_Pair]) -> BaselMap:
    """Least squares; expressions are fitted on changes within a clip, since the neutral face differs between people."""
    mesh, expression = (
        np.concatenate([part - part.mean(axis=0) for part in parts])
        for parts in ([pair.mesh for pair in pairs], [pair.basel[:, :EXPRESSION] for pair in pairs])
    )
    change = np.linalg.solve(mesh.T @ mesh + _RIDGE * np.eye(mesh.shape[1]), mesh.T @ expression)
    rest = np.mean([(pair.basel[:, :EXPRESSION] - pair.mesh @ change).mean(axis=0) for pair in pairs], axis=0)
    placed = [pair for pair in pairs if np.abs(pair.basel[:, -2:] / _SIDE - 0.5).max() < 0.25]
    head, place = (
        np.concatenate(parts) for parts in zip(*((p.head, p.basel[:, EXPRESSION:]) for p in placed), strict=True)
    )
    placement = np.linalg.lstsq(head, place, rcond=None)[0]
    return BaselMap(*(np.ascontiguousarray(part, np.float32) for part in (change, rest, placement)))


def _judge(fitted: BaselMap, pairs: list[_Pair]) -> tuple[list[float], list[float]]:
    """Within-clip correlation of the main expression directions, and root mean square error of the angles."""
    made = [fitted.motion(pair.mesh, pair.head) for pair in pairs]
    a, b = (np.concatenate([part - part.mean(axis=0) for part in parts]) for parts in ([p.basel for p in pairs], made))
    largest = np.argsort(-a[:, :EXPRESSION].var(axis=0))[:_JUDGED_COEFFICIENTS]
    angles = np.concatenate(
        [(one.basel - other)[:, EXPRESSION : EXPRESSION + 3] for one, other in zip(pairs, made, strict=True)]
    )
    error = np.degrees(np.sqrt((angles**2).mean(axis=0)))
    return [float(np.corrcoef(a[:, k], b[:, k])[0, 1]) for k in largest], error.tolist()
