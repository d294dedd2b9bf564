"""`styletalk dataset build`: tracks the training clips, encodes their expressions and recognizes their phones.

Runs on: the main thread; takes about a third of the duration of the video on one core.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.library import Actions

if TYPE_CHECKING:
    from styletalk_core.lab.dataset import VideoClip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the `build` action."""
    summary = "track every clip, encode its expression, recognize its phones; resumable"
    build = Actions(parser).add("build", summary, _build)
    build.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video/manifest.tsv")
    build.add_argument(
        "--out", type=Path, required=True, help="folder for tracks/, coefficients/, posteriors/, labels/"
    )
    build.add_argument("--licence", choices=("all", "free"), default="all", help="free: exclude research-only clips")
    build.add_argument("--tracks-only", action="store_true", help="only track, as needed for a new face model")


def _build(args: argparse.Namespace) -> dict[str, Any]:
    # The tracker and the networks take seconds to import, which `--help` need not wait for.
    from styletalk_core.face.face_model import FaceModel
    from styletalk_core.lab.dataset import encode_clips, read_manifest, track_clips
    from styletalk_core.lab.training.label_phones import label_clips

    clips = read_manifest(args.data, args.licence)
    skipped = _work_off("tracking", track_clips(clips, args.out), len(clips))
    if not args.tracks_only:
        usable = [clip for clip in clips if clip.name not in skipped]
        skipped |= _work_off("encoding", encode_clips(usable, args.out, FaceModel.load()), len(usable))
        encoded = [clip for clip in usable if clip.name not in skipped]
        skipped |= _work_off("hearing", label_clips(encoded, args.out), len(encoded))
    (args.out / "skipped.json").write_text(json.dumps(skipped, indent=1))
    if not args.json:
        print(f"{args.out}: {len(clips) - len(skipped)} clips; {len(skipped)} skipped, see skipped.json")
    return {"clips": len(clips) - len(skipped), "skipped": skipped, "folder": str(args.out)}


def _work_off(title: str, work: "Iterator[tuple[VideoClip, str | None]]", total: int) -> dict[str, str]:
    """Processes all clips and returns the reasons why clips were skipped."""
    from tqdm import tqdm

    return {clip.name: reason for clip, reason in tqdm(work, desc=title, total=total, unit="clip") if reason}
