"""`styletalk bench quality`: the paper's self-driven evaluation on clips outside the training set, and the recognizer.

Three groups of different difficulty: in-the-wild clips of unseen people; studio clips of unseen people from GRID; and
unseen sentences of GRID's first speaker, who is in the training set. Also evaluates the renderer alone on tracked
motion, and the recognizer against pocketsphinx on the official samples.

Runs on: the main thread; two to four minutes. No times are measured, so other load on the machine does not matter.
"""

import argparse
import json
import logging
import tempfile
from pathlib import Path
from typing import Any, Final

from server.lab.commands import evaluate
from styletalk_core.errors import InputError
from styletalk_core.lab.benchmarks.recognizer_accuracy import accuracy, official_samples
from styletalk_core.lab.dataset import VideoClip, read_manifest
from styletalk_core.recognizer.backends import open_backend

UNSEEN: Final = "people never seen"
STUDIO: Final = "people never seen, GRID"
SENTENCES: Final = "sentences never heard, GRID"
_STUDIO_SPEAKER: Final = "grid_s1"
"""GRID's speaker in the training split."""
_DEFAULT_CLIPS: Final = 8
"""Clips per group, spread evenly over the group."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video/manifest.tsv")
    parser.add_argument("--every", type=int, default=15, metavar="N", help="evaluate every Nth frame (15)")
    parser.add_argument(
        "--most", type=int, default=_DEFAULT_CLIPS, metavar="N", help=f"clips per group ({_DEFAULT_CLIPS})"
    )
    parser.add_argument("--rendered", action="store_true", help="as of `styletalk evaluate`; takes ten times as long")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``self_driven`` by group, ``renderer`` and ``recognizer``.

    Raises:
        InputError: the data folder does not exist, or a group has no clip.
    """
    if args.every < 1 or args.most < 1:
        raise InputError("--every and --most must be at least 1.")
    logging.getLogger().setLevel(logging.ERROR)  # skipped clips are listed in the result
    groups = _groups(read_manifest(args.data), args.most)
    result = {
        "self_driven": {name: _judged(clips, args.every, rendered=args.rendered) for name, clips in groups.items()},
        "renderer": _judged(groups[UNSEEN], args.every, renderer_only=True)["mean"],
        "recogniser": {
            name: accuracy(open_backend(name), list(official_samples(args.data))) for name in ("neural", "pocketsphinx")
        },
    }
    if not args.json:
        print(json.dumps(result, indent=2))
    return result


def _groups(clips: list[VideoClip], most: int) -> dict[str, list[VideoClip]]:
    held_out = [clip for clip in clips if clip.split != "train" and clip.audio]
    grid = [clip for clip in held_out if clip.source == "GRID"]
    groups = {
        UNSEEN: [clip for clip in held_out if clip.source != "GRID"],
        STUDIO: [clip for clip in grid if clip.speaker != _STUDIO_SPEAKER],
        SENTENCES: [clip for clip in grid if clip.speaker == _STUDIO_SPEAKER],
    }
    return {name: members[:: -(-len(members) // most) or 1] for name, members in groups.items()}


def _judged(clips: list[VideoClip], every: int, renderer_only: bool = False, rendered: bool = False) -> dict[str, Any]:
    """Returns the result of `styletalk evaluate` for these clips."""
    if not clips:
        raise InputError("One of the groups has no spoken clip of the dev or test split in the manifest.")
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            (Path(folder) / f"{clip.name.replace('/', '-')}.mp4").symlink_to(clip.path.resolve())
        options = {"every": every, "future_frames": 2, "motion_weights": None}
        parts = {"renderer_only": renderer_only, "rendered": rendered}
        found = evaluate.run(argparse.Namespace(folder=Path(folder), json=True, **options, **parts))
    return {"clips": len(found["clips"]), "people": len({clip.speaker for clip in clips})} | {
        key: found[key] for key in ("mean", "baselines", "styles", "style_ranges", "skipped") if key in found
    }
