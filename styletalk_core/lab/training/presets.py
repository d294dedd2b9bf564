"""Builds the packaged style presets from tracked clips: `styletalk train presets`.

Every preset is real motion of one person of the train split. If a clip is shorter than the minimum length of a style,
several clips of the same person are joined. The expressions of the free ones are drawn: see `composed_styles`.

Runs on: the command line. In: tracks from `styletalk dataset build`.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face.clip_motion import PersonFace, encode_track, head_turn, person_face
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.track import Track
from styletalk_core.lab.dataset import VideoClip, load_track, read_manifest, reference_tracks, track_path
from styletalk_core.lab.training.composed_styles import RECIPES, composed
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.posing import Posing
from styletalk_core.library.styles import NEUTRAL, POSE, Style, StyleLibrary
from styletalk_core.weights import preset_folder

_MAX_POSTURE: Final = 0.12
"""Largest rotation of a posture, rad."""

PRESETS: Final[dict[str, tuple[str, ...]]] = {
    "conversational": ("talkvid/talk_vid_static_videos_Diversity_Age_19_30_2",),
    "neutral": ("grid/s1/prbj7a", "grid/s1/bbbf9a", "grid/s1/swwp3s"),
    "happy": ("mead_style/M030_front_happy_level3_001",),
    "sad": ("mead_style/W009_front_sad_level3_001",),
    "angry": ("mead_style/W009_front_angry_level3_001",),
    "surprised": ("mead_style/W009_front_surprised_level3_001",),
    "fearful": ("mead_style/W009_front_fear_level3_001",),
    "disgusted": ("mead_style/W009_front_disgusted_level3_001",),
    "contemptuous": ("mead_style/W009_front_contempt_level3_001",),
    "newsreader": tuple(
        f"news_ar/{number}" for number in ("17768", "13411", "17864", "05901", "03216", "08008", "08093")
    ),
    "animated": ("style_clips/happyenglish_clip2",),
    "whispered": ("grid/s1/brwa3s", "grid/s1/bgauzp", "grid/s1/bbiz1s"),
}
"""Preset name -> its clips, all of one person (for newsreaders: the same face)."""

_FREE: Final = ("neutral", "whispered")
"""Presets whose clips are freely licensed; the other free ones are composed of those of the first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video/manifest.tsv")
    parser.add_argument("--cache", type=Path, required=True, help="output folder of `styletalk dataset build`")
    parser.add_argument("--licence", choices=("all", "free"), default="all", help="free: composed of GRID's speech")
    parser.add_argument("--out", type=Path, help="folder to write (that of the packaged styles)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes every preset."""
    clips, model = read_manifest(args.data, args.licence), FaceModel.load()
    out = args.out or preset_folder()
    library = StyleLibrary(out)
    posing = Posing(model, LipMap.of(model))
    names = RECIPES if args.licence == "free" else PRESETS
    for name in names:
        sources = PRESETS[name if args.licence == "all" or name in _FREE else NEUTRAL]
        style = make_preset(name, [clip for clip in clips if clip.name in sources], clips, args.cache, model)
        if args.licence == "free":
            style = composed(style, RECIPES[name], posing)
        library.add(style)
        if not args.json:
            print(f"{name:14} {style.frames_used:4} frames, motion energy {style.motion_energy:.2f}")
    return {"presets": list(names), "folder": str(out)}


def make_preset(name: str, sources: list[VideoClip], clips: list[VideoClip], cache: Path, model: FaceModel) -> Style:
    """Encodes the clips of a preset relative to the person's neutral face.

    Raises:
        InputError: a clip is not in the train split or has not been tracked.
    """
    for clip in sources:
        if clip.split != "train" or not track_path(cache, clip).is_file():
            raise InputError(f"preset {name!r} needs {clip.name}, tracked and in the train split")
    speaker = sources[0].speaker
    person = [clip for clip in clips if speaker and clip.speaker == speaker and clip.split == "train"] or sources
    person = [clip for clip in person if track_path(cache, clip).is_file()]
    seen = [load_track(cache, clip) for clip in person]
    references, neutral = reference_tracks(person, seen)
    face = person_face(references, model, neutral)
    tracks = [load_track(cache, clip) for clip in sources]
    motions = [encode_track(track, face, model) for track in tracks]
    coefficients, pose, valid = (
        np.concatenate([getattr(motion, part) for motion in motions]) for part in ("coefficients", "pose", "valid")
    )
    return Style.of_motion(
        name,
        coefficients,
        pose,
        valid,
        ", ".join(clip.name for clip in sources),
        float(np.mean(np.concatenate([track.tracked for track in tracks]))),
        starts=np.cumsum([0, *(len(motion.valid) for motion in motions[:-1])]).tolist(),
        posture=_posture(tracks, seen, face) if neutral else None,
    )


def _posture(tracks: list[Track], all_tracks: list[Track], face: PersonFace) -> NDArray[np.float32]:
    """Return the pose (6,) that a person holds in some clips, against the usual one before the same camera."""
    turns = [np.concatenate([head_turn(track, face) for track in part]) for part in (tracks, all_tracks)]
    shown, usual = (np.nanmedian(turn, axis=0) for turn in turns)
    posture = np.zeros(POSE, np.float32)
    posture[:3] = np.clip(shown - usual, -_MAX_POSTURE, _MAX_POSTURE)
    posture[1] = 0  # the sides of the face are the same to a camera
    return posture
