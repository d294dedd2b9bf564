"""`styletalk evaluate DIR`: the paper's self-driven evaluation on every mp4 clip of a folder, with three baselines.

The audio-video offset of each clip is estimated and removed first (``offset_frames``); lags include it.

Runs on: the main thread; about two seconds per second of video.
"""

import argparse
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

from tqdm import tqdm

from server.lab.composing import compose
from server.paths import user_folder
from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.evaluation.clip import SelfDrivenClip, read_clip
from styletalk_core.lab.evaluation.fidelity import judge_renderer
from styletalk_core.lab.evaluation.judgement import GENERATED, Judge, shortened
from styletalk_core.lab.training.evaluation import mean
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.library.style_motion import StyleMotions
from styletalk_core.library.styles import EMOTIONS, StyleLibrary
from styletalk_core.models import checkpoint
from styletalk_core.phones import CONTEXT
from styletalk_core.recognizer.backends import open_backend
from styletalk_core.weights import MOTION_WEIGHTS

_SHOWN: Final = (
    "opening_correlation", "lag_ms", "opening_std_ratio", "lip_error_px", "closure_recall", "closure_precision",
    "jitter_ratio", "f_lmd", "m_lmd", "ssim", "cpbd", "identity_similarity",
)  # fmt: skip
_STYLED_FRAMES: Final = 300
"""Length of the part of each clip that is evaluated in every style."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of .mp4 clips with audio and one face each")
    parser.add_argument("--renderer-only", action="store_true", help="evaluate the renderer on tracked motion")
    parser.add_argument("--every", type=int, default=5, metavar="N", help="evaluate every Nth frame (5)")
    parser.add_argument("--future-frames", type=int, default=2, metavar="F", help="phone look-ahead, 0 to 5 (2)")
    parser.add_argument(
        "--rendered", action="store_true", help="also read all articulators from rendered video, tracked again"
    )
    parser.add_argument("--weights", type=Path, default=MOTION_WEIGHTS, help="motion network (the packaged one)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``clips``, ``mean`` and ``skipped``; without ``--renderer-only`` also baselines and figures of styles.

    Raises:
        InputError: an invalid option, a folder without clips, or no usable clip.
        CheckpointError: the weights cannot be used.
    """
    if args.every < 1 or not 0 <= args.future_frames <= CONTEXT:
        raise InputError(f"--every must be at least 1 and --future-frames from 0 to {CONTEXT}")
    if not args.folder.is_dir():
        raise InputError(f"{args.folder} is not a folder")
    paths = sorted(args.folder.glob("*.mp4"))
    if not paths:
        raise InputError(f"{args.folder} contains no .mp4 clip")
    with FaceTracker() as tracker:
        return _renderer(args, paths, tracker) if args.renderer_only else _self_driven(args, paths, tracker)


def _renderer(args: argparse.Namespace, paths: list[Path], tracker: FaceTracker) -> dict[str, Any]:
    skipped: dict[str, str] = {}
    work = _each(paths, lambda path: judge_renderer(path, tracker, args.every).rounded(), skipped)
    clips, figures = [], []
    for path, row in work:
        clips.append({"clip": path.stem, **_plain(row)})
        figures.append(row)
    means = _plain(mean(figures))
    if not args.json:
        _print({"renderer": means}, tuple(means))
    return {"clips": clips, "mean": means, "skipped": skipped}


def _self_driven(args: argparse.Namespace, paths: list[Path], tracker: FaceTracker) -> dict[str, Any]:
    model = FaceModel.load()
    network = checkpoint.load(args.weights).model
    library = StyleLibrary(user_folder("styles"))
    motions = StyleMotions(library, model)
    judge = Judge(network, model, LipMap.of(model), tracker, args.future_frames, compose, motions, args.rendered)
    recognizer = open_backend("neural")
    skipped: dict[str, str] = {}
    spoken: list[SelfDrivenClip] = []
    rows: dict[str, list[dict[str, float]]] = {}

    def judged(path: Path) -> dict[str, dict[str, float]]:
        clip, late = judge.in_step(read_clip(path, tracker, recognizer, model, args.every))
        spoken.append(shortened(clip, _STYLED_FRAMES))
        return judge.clip(clip, late)

    clips = []
    for path, figures in _each(paths, judged, skipped):
        clips.append({"clip": path.stem, **_plain(figures[GENERATED])})
        for name, row in figures.items():
            rows.setdefault(name, []).append(row)
    styles = judge.styles(spoken, {name: library.get(name).coefficients for name in EMOTIONS})
    ranges = {name: _plain(judge.style_ranges(spoken, library.get(name))) for name in library.builtin_names()}
    means = {name: _plain(mean(parts)) for name, parts in rows.items()}
    accuracy = round(styles.accuracy, 3)
    result = {
        "clips": clips,
        "mean": means.pop(GENERATED) | {"style_accuracy": accuracy},
        "baselines": means,
        "styles": {figure: _plain(of_styles) for figure, of_styles in asdict(styles).items()},
        "style_ranges": ranges,
        "skipped": skipped,
        "future_frames": args.future_frames,
    }
    if not args.json:
        _print({GENERATED: result["mean"], **means}, _SHOWN)
        print(f"style recognized: {accuracy:.0%} of {len(EMOTIONS)} emotions x {len(clips)} clips")
    return result


def _each(paths: list[Path], work: Callable[[Path], T], skipped: dict[str, str]) -> Iterator[tuple[Path, T]]:
    """Processes every clip; unusable clips are logged and recorded in ``skipped``.

    Raises:
        InputError: no clip can be used.
    """
    for path in tqdm(paths, unit="clip", disable=None):
        try:
            yield path, work(path)
        except InputError as error:
            skipped[path.stem] = str(error)
            logger.warning("skipped: %s", error)
    if len(skipped) == len(paths):
        raise InputError(f"no clip could be used; the first: {next(iter(skipped.values()))}")


def _plain(figures: dict[str, float]) -> dict[str, Any]:
    """Rounds the metrics and replaces NaN by None, since JSON has no NaN."""
    return {key: round(value, 4) if math.isfinite(value) else None for key, value in figures.items()}


def _print(rows: dict[str, dict[str, Any]], keys: tuple[str, ...]) -> None:
    width = max(map(len, keys))
    print(" " * width, *(f"{name:>16}" for name in rows))
    for key in keys:
        values = (row[key] for row in rows.values())
        print(f"{key:{width}}", *("               –" if value is None else f"{value:16.3f}" for value in values))
