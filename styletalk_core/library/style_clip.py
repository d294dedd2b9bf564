"""Style extraction: checks a video of a person talking, tracks the face and fits its expression.

Runs on: a worker thread or the command line; a clip of ten seconds takes about five.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face.clip_motion import encode_track, head_turn, person_face
from styletalk_core.face.eyelids import shut_eye, with_open_eye
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.library.style_motion import STILL_HEAD, head_range
from styletalk_core.library.styles import MAX_CLIP_MEGABYTES, Float, Style
from styletalk_core.phones import FPS
from styletalk_core.video import probe_video

MIN_CLIP_SECONDS: Final = 2.0
MAX_CLIP_SECONDS: Final = 300.0
USED_SECONDS: Final = 30.0
"""Only the middle of a longer clip is used."""
MIN_TRACKED_SHARE: Final = 0.5
"""Minimum fraction of frames with a face; clips below are rejected."""
SHORT_SECONDS: Final = 4.0
"""Length below which the motion of head and brows repeats conspicuously."""
MAX_TURN_DEGREES: Final = 30
"""Yaw beyond which half of the face is hidden and only guessed by the tracker."""
_NOTED_SHARE: Final = 0.01


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
    face = person_face([track], model)
    motion = encode_track(track, face, model)
    frames, notes = _frontal_frames(motion.valid, head_turn(track, face)[:, 1])
    coefficients = motion.coefficients
    eye = shut_eye(coefficients[frames], model)
    if eye is not None:
        coefficients = with_open_eye(coefficients, eye, model)
        side = ("right", "left")[eye]
        notes.append(f"the person's {side} eye is closed in it; the lids and brow of the other eye were used for both")
    style = Style.of_motion(name, coefficients, motion.pose, frames, path.name, share)
    if head_range(style) < STILL_HEAD:
        notes.append("the head does not move in it; the head motion of a neutral conversation is used")
    if style.frames_used < SHORT_SECONDS * FPS:
        notes.append(f"only {style.frames_used / FPS:.1f} s were used: head and brows soon repeat; 10 s look livelier")
    if track.faces > 1:
        notes.append(f"{path.name} shows {track.faces} faces; the largest was used")
    if seconds > USED_SECONDS:
        notes.append(f"of {seconds:.0f} s the middle {USED_SECONDS:.0f} s were used")
    if share < 1:
        notes.append(f"the face was seen in {share:.0%} of the frames")
    return StyleClip(style, tuple(notes))


def _frontal_frames(valid: NDArray[np.bool_], yaw: Float) -> tuple[NDArray[np.bool_], list[str]]:
    """Return the frames (T,) to use, ``valid`` and not turned far away by ``yaw`` (T,) rad, and notes about it."""
    turned = valid & (np.abs(np.nan_to_num(yaw)) > np.deg2rad(MAX_TURN_DEGREES))
    frontal = valid & ~turned
    if frontal.sum() >= MIN_CLIP_SECONDS * FPS:
        left_out = turned.sum() / valid.sum()
        note = f"{left_out:.0%} of the frames were left out: the head is turned by more than {MAX_TURN_DEGREES} degrees"
        return frontal, [note] if left_out >= _NOTED_SHARE else []
    usual = np.rad2deg(np.median(np.abs(yaw[valid])))
    return valid, [f"the head is turned by {usual:.0f} degrees; a clip from the front gives a truer style"]


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
