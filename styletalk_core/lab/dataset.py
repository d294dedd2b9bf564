"""Training clips: the manifest, and the tracks and coefficients of its clips in a cache folder.

Runs on: the command line. In: a data folder with ``video/manifest.tsv``. Out: ``tracks/<clip>.npz`` (`Track`) and
``coefficients/<clip>.npz`` (`ClipMotion`) in the cache folder; existing files are kept. Unusable clips are
skipped with a reason.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from styletalk_core.errors import InputError
from styletalk_core.face.clip_motion import encode_track, person_face
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.track import Track
from styletalk_core.face.tracker import FaceTracker

_FREE_LICENCE: Final = "CC BY 4.0"
"""Licence of the training clips that `--licence free` keeps; a remark may follow."""
CLIP_TERMS: Final = {
    "all": "research use: most of the training clips are for research only",
    "free": "free for every use; name the sources",
}
"""Terms of weights that are trained on the clips, by what is used of them."""
_NEWS_FOLDER: Final = "news_ar"
_NEUTRAL: Final = "neutral"
"""Style name prefix of clips without an acted expression."""

_MIN_FRAMES: Final = 30
"""Minimum clip length; shorter clips carry too little motion."""


@dataclass(frozen=True, slots=True)
class VideoClip:
    """One row of the manifest; `name` is the path below ``video/`` without the suffix, `speaker` is "" if unknown."""

    name: str
    path: Path
    split: str
    source: str
    speaker: str
    style: str
    audio: bool
    licence: str
    text: str


def read_manifest(data: Path, licence: str = "all") -> list[VideoClip]:
    """Reads the clips of ``data/video/manifest.tsv``, the largest and least varied folder last.

    Args:
        data: folder that contains ``video``.
        licence: "all", or "free" to train on no research-only clip.

    Raises:
        InputError: the manifest is missing.
    """
    manifest = data / "video" / "manifest.tsv"
    if not manifest.is_file():
        raise InputError(f"{manifest} does not exist; give the data folder that contains video/manifest.tsv")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    clips = [
        VideoClip(
            name=row["clip"],
            path=data / "video" / f"{row['clip']}.mp4",
            split=row["split"],
            source=row["source"],
            speaker="" if row["speaker"] == "?" else row["speaker"],
            style=row["style"],
            audio=row["audio"] == "yes",
            licence=row["licence"],
            text=row["text"] or "",
        )
        for row in rows
        if may_be_used(row, licence)
    ]
    return sorted(clips, key=lambda clip: clip.name.startswith(_NEWS_FOLDER))


def add_licence_argument(parser: argparse.ArgumentParser) -> None:
    """Adds the option that says which training clips are used; see `read_manifest`."""
    parser.add_argument("--licence", choices=("all", "free"), default="all", help="free: exclude research-only clips")


def may_be_used(row: Mapping[str, str], licence: str) -> bool:
    """Return whether a row of the manifest is used with "all" or "free" material; free trains on no research-only clip.

    Clips of the dev and test splits are used with both: they only judge.
    """
    return licence == "all" or row["split"] != "train" or row["licence"].split(" (")[0] == _FREE_LICENCE


def people_held_out(clips: Iterable[VideoClip], licence: str) -> set[str]:
    """The speakers that nothing is trained on.

    Of free material, which is of few people, sentences are held out in the test split, and people in the dev split.
    """
    judging = ("dev",) if licence == "free" else ("dev", "test")
    return {clip.speaker for clip in clips if clip.speaker and clip.split in judging}


def track_clips(clips: Iterable[VideoClip], cache: Path) -> Iterator[tuple[VideoClip, str | None]]:
    """Tracks every untracked clip at its own frame rate.

    Yields:
        Every clip with None, or with the reason why it was skipped.
    """
    with FaceTracker() as tracker:
        for clip in clips:
            path = track_path(cache, clip)
            try:
                if not path.is_file():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    tracker.track_video(clip.path, fps=None).save(path)
                yield clip, None
            except InputError as error:
                yield clip, str(error)


def track_path(cache: Path, clip: VideoClip) -> Path:
    """Return the path of a clip's track."""
    return cache / "tracks" / f"{clip.name}.npz"


def coefficients_path(cache: Path, clip: VideoClip) -> Path:
    """Return the path of a clip's `ClipMotion`."""
    return cache / "coefficients" / f"{clip.name}.npz"


def load_track(cache: Path, clip: VideoClip) -> Track:
    """The track of a clip at its own frame rate."""
    return Track.load(track_path(cache, clip))


def group_people(clips: Iterable[VideoClip], cache: Path) -> dict[str, list[VideoClip]]:
    """Groups the tracked clips by person; each clip of an unknown person is a group of its own.

    Raises:
        InputError: no clip has been tracked.
    """
    people = defaultdict(list)
    for clip in clips:
        if track_path(cache, clip).is_file():
            people[clip.speaker or clip.name].append(clip)
    if not people:
        raise InputError(f"{cache} contains no tracked clip; run `styletalk dataset build` first")
    return dict(people)


def encode_clips(clips: Iterable[VideoClip], cache: Path, model: FaceModel) -> Iterator[tuple[VideoClip, str | None]]:
    """Writes the coefficients of every tracked clip; all clips of a person share one neutral face.

    Yields:
        Every clip with None, or with the reason why it was skipped.

    Raises:
        InputError: no clip has been tracked.
    """
    for members in group_people(clips, cache).values():
        tracks = [load_track(cache, clip) for clip in members]
        references, neutral = reference_tracks(members, tracks)
        face = person_face(references, model, neutral)
        for clip, track in zip(members, tracks, strict=True):
            path = coefficients_path(cache, clip)
            path.parent.mkdir(parents=True, exist_ok=True)
            motion = encode_track(track, face, model)
            if len(motion.coefficients) >= _MIN_FRAMES:
                motion.save(path)
                yield clip, None
            else:
                yield clip, f"{clip.name} has {len(motion.coefficients)} frames; {_MIN_FRAMES} are needed"


def reference_tracks(clips: Sequence[VideoClip], tracks: Sequence[Track]) -> tuple[list[Track], bool]:
    """One person's neutral tracks and True, or, if the person has none, all its tracks and False."""
    neutral = [track for clip, track in zip(clips, tracks, strict=True) if clip.style.startswith(_NEUTRAL)]
    return neutral or list(tracks), bool(neutral)
