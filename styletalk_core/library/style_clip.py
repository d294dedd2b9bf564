"""Style extraction: checks a video of a person talking, tracks the face and fits its expression.

Runs on: a worker thread or the command line; a clip of ten seconds takes about five.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from styletalk_core.errors import InputError
from styletalk_core.face.clip_motion import encode_track, person_face
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.library.styles import MAX_CLIP_MEGABYTES, Style
from styletalk_core.phones import FPS
from styletalk_core.video import probe_video

MIN_CLIP_SECONDS: Final = 2.0
MAX_CLIP_SECONDS: Final = 300.0
USED_SECONDS: Final = 30.0
"""Only the middle of a longer clip is used."""
MIN_TRACKED_SHARE: Final = 0.5
"""Minimum fraction of frames with a face; clips below are rejected."""


@dataclass(frozen=True, slots=True)
class StyleClip:
    """A style and notes on its clip for the owner."""

    style: Style
    notes: tuple[str, ...]


def style_from_video(
    path: str | Path, name: str, progress: Callable[[float], None] | None = None, model: FaceModel | None = None
) -> StyleClip:
    """Creates a style from a clip without storing it.

    Args:
        path: a video of one person talking, 2 seconds to 5 minutes, at most 200 MB.
        name: name of the style.
        progress: called with the completed fraction, 0 to 1.
        model: face model; the packaged one by default.

    Raises:
        InputError: the clip cannot be used; the message gives the reason and a remedy.
    """
    path = Path(path)
    seconds = checked_length(path)
    start = max(0.0, (seconds - USED_SECONDS) / 2)
    with FaceTracker() as tracker:
        track = tracker.track_video(path, fps=None, progress=progress, span=(start, start + USED_SECONDS))
    share = float(track.tracked.mean())
    shown = float(track.tracked.sum() / track.fps)
    if share >= MIN_TRACKED_SHARE and len(track.times) / track.fps < MIN_CLIP_SECONDS - 0.5 / FPS:
        raise InputError(
            f"{path.name} is damaged: {shown:.1f} s of it can be read, at least {MIN_CLIP_SECONDS:.0f} s are needed"
        )
    if shown < MIN_CLIP_SECONDS - 0.5 / FPS or share < MIN_TRACKED_SHARE:
        raise InputError(f"{path.name} shows a face in only {share:.0%} of its frames; film the face from the front")
    model = model or FaceModel.load()
    motion = encode_track(track, person_face([track], model), model)
    style = Style.of_motion(name, motion.coefficients, motion.valid, path.name, share)
    notes = []
    if track.faces > 1:
        notes.append(f"{path.name} shows {track.faces} faces; the largest was used")
    if seconds > USED_SECONDS:
        notes.append(f"of {seconds:.0f} s the middle {USED_SECONDS:.0f} s were used")
    if share < 1:
        notes.append(f"the face was seen in {share:.0%} of the frames")
    return StyleClip(style, tuple(notes))


def checked_length(path: Path) -> float:
    """Return the length of a clip in seconds; rejects clips that are too large, too short or too long."""
    if path.is_file() and path.stat().st_size > MAX_CLIP_MEGABYTES * 1_000_000:
        size, limit = path.stat().st_size / 1e6, MAX_CLIP_MEGABYTES
        raise InputError(f"{path.name} has {size:.0f} MB; at most {limit} MB are allowed, cut a part of it")
    seconds = probe_video(path).seconds
    if seconds > MAX_CLIP_SECONDS:
        raise InputError(
            f"{path.name} lasts {seconds:.0f} s; at most {MAX_CLIP_SECONDS:.0f} s are allowed, cut a part of it"
        )
    if 0 < seconds < MIN_CLIP_SECONDS - 0.5 / FPS:
        raise InputError(f"{path.name} lasts {seconds:.1f} s; at least {MIN_CLIP_SECONDS:.0f} s are needed")
    return seconds
