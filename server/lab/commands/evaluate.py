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
from styletalk_core.face.spaces import MESH64
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.evaluation.baselines import BASELINES
from styletalk_core.lab.evaluation.clip import SelfDrivenClip, read_clip
from styletalk_core.lab.evaluation.critic import told_from_real
from styletalk_core.lab.evaluation.fidelity import judge_renderer
from styletalk_core.lab.evaluation.judgement import GENERATED, Judge, StyleFigures, shortened
from styletalk_core.lab.evaluation.rendered_styles import RenderedStyles
from styletalk_core.lab.training.evaluation import mean
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.style_motion import StyleMotions
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.models import checkpoint
from styletalk_core.models.weight_file import read_motion_weights
from styletalk_core.phones import CONTEXT
from styletalk_core.recognizer.backends import open_backend
from styletalk_core.weights import MOTION, packaged_weights

_SHOWN: Final = (
    "opening_correlation", "lag_ms", "opening_std_ratio", "lip_error_px", "closure_recall", "closure_precision",
    "jitter_ratio", "f_lmd", "m_lmd", "ssim", "cpbd", "identity_similarity", "style_accuracy",
)  # fmt: skip
_STYLED_FRAMES: Final = 300
"""Length of the part of each clip that is evaluated in every style."""

_RENDERED_FRAMES: Final = 150
"""Length of the part that is rendered in every emotion."""

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
    parser.add_argument(
        "--motion-weights",
        type=Path,
        action="append",
        metavar="FILE",
        help="motion network: own weights or the authors' checkpoint; several for a column each (the packaged ones)",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``clips``, ``mean`` and ``skipped``; without ``--renderer-only`` also baselines and figures of styles.

    With several networks ``weights`` has ``mean`` and ``styles`` of each by file name, the first as above.

    Raises:
        InputError: an invalid option, a folder without clips, no usable clip, or weights that cannot be used.
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
    clips, figures, samples = [], [], []
    for path, found in _each(paths, lambda path: judge_renderer(path, tracker, args.every), skipped):
        row = found.rounded()
        clips.append({"clip": path.stem, **_plain(row)})
        figures.append(row)
        samples.append(found.samples)
    means = _plain(mean(figures) | told_from_real(samples))
    if not args.json:
        _print({"renderer": means}, tuple(means))
    return {"clips": clips, "mean": means, "skipped": skipped}


def _self_driven(args: argparse.Namespace, paths: list[Path], tracker: FaceTracker) -> dict[str, Any]:
    model = FaceModel.load()
    library = StyleLibrary(user_folder("styles"))
    judges = _judges(args, library, model, tracker)
    judge, others = judges.pop(GENERATED), judges
    recognizer = open_backend("neural")
    skipped: dict[str, str] = {}
    spoken: list[SelfDrivenClip] = []
    rows: dict[str, list[dict[str, float]]] = {}

    def judged(path: Path) -> dict[str, dict[str, float]]:
        clip, late = judge.in_step(read_clip(path, tracker, recognizer, model, args.every))
        spoken.append(shortened(clip, _STYLED_FRAMES))
        further = {name: other.clip(clip, late, baselines=False)[GENERATED] for name, other in others.items()}
        return judge.clip(clip, late) | further

    clips = []
    for path, figures in _each(paths, judged, skipped):
        clips.append({"clip": path.stem, **_plain(figures[GENERATED])})
        for name, row in figures.items():
            rows.setdefault(name, []).append(row)
    emotions = {name: library.get(name).within(MESH64).coefficients for name in library.emotions()}
    presets = [library.get(name).within(MESH64) for name in library.builtin_names()]
    ranges = {style.name: _plain(judge.style_ranges(spoken, style)) for style in presets}
    columns = {
        name: _column(rows.pop(name), one.styles(spoken, emotions))
        for name, one in {GENERATED: judge, **others}.items()
    }
    result = {
        "clips": clips,
        **columns[GENERATED],
        "baselines": {name: _plain(mean(parts)) for name, parts in rows.items()},
        "style_ranges": ranges,
        "skipped": skipped,
        "future_frames": args.future_frames,
    }
    if others:
        named = {args.motion_weights[0].stem: columns.pop(GENERATED), **columns}
        result["weights"] = columns = named
    if args.rendered:
        shares = _rendered_styles(judge, spoken, library)
        result["rendered_styles"] = shares
        result["mean"]["rendered_style_accuracy"] = round(sum(shares.values()) / len(shares), 3)
    if not args.json:
        _print({name: column["mean"] for name, column in columns.items()} | result["baselines"], _SHOWN)
        print(f"style_accuracy: of {len(emotions)} emotions x {len(clips)} clips")
    return result


def _column(rows: list[dict[str, float]], styles: StyleFigures) -> dict[str, Any]:
    """Return the means of a network's figures over the clips, and its figures of styles."""
    return {
        "mean": _plain(mean(rows)) | {"style_accuracy": round(styles.accuracy, 3)},
        "styles": {figure: _plain(of_styles) for figure, of_styles in asdict(styles).items()},
    }


def _judges(
    args: argparse.Namespace, library: StyleLibrary, model: FaceModel, tracker: FaceTracker
) -> dict[str, Judge]:
    """Return a judge for each network by its file's name, the first one under `GENERATED`.

    Raises:
        InputError: weights cannot be used, or two columns of the table would have the same name.
    """
    paths = args.motion_weights or [packaged_weights(MOTION)]
    names = [*BASELINES, GENERATED, *(path.stem for path in paths)]
    if len(set(names)) < len(names):
        raise InputError("two columns of the table would have the same name; rename a file of --motion-weights")
    judges: dict[str, Judge] = {}
    for path in paths:
        network = checkpoint.model_of(read_motion_weights(path))
        motions = StyleMotions(library, model, network.dimensions.space)
        judges[path.stem if judges else GENERATED] = Judge(
            network, model, LipMap.of(model), tracker, args.future_frames, compose, motions, args.rendered
        )
    return judges


def _rendered_styles(judge: Judge, clips: list[SelfDrivenClip], library: StyleLibrary) -> dict[str, float]:
    """Share of the clips whose emotion is recognized in rendered and tracked video; each clip on another portrait."""
    avatars = AvatarLibrary(None)
    names = avatars.builtin_names()[: len(clips)]
    styles = {name: library.get(name).within(MESH64) for name in library.emotions()}
    portraits = [RenderedStyles(styles, avatars.get(name), judge.tracker, judge.model) for name in names]
    found = [
        portraits[number % len(portraits)].recognized(judge.shown_in(shortened(clip, _RENDERED_FRAMES), styles))
        for number, clip in enumerate(clips)
    ]
    return {name: round(sum(row[name] for row in found) / len(found), 3) for name in styles}


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
        values = (row.get(key) for row in rows.values())
        print(f"{key:{width}}", *("               –" if value is None else f"{value:16.3f}" for value in values))
