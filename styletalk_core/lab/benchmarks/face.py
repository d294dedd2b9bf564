"""`styletalk bench face`: accuracy of the face model, its independence of identity, and retrieval by style code.

All clips are from the dev and test splits, on which neither the face model nor the networks were trained.
Runs on: the command line.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from styletalk_core.face.clip_motion import PersonFace, calm_frames, encode_track, person_face
from styletalk_core.face.face_model import FaceModel, pose_terms
from styletalk_core.face.head_pose import Array, euler_angles, fit_head
from styletalk_core.face.landmarks import LIPS, MESH_POINTS
from styletalk_core.face.track import Track, lip_gap
from styletalk_core.lab.dataset import VideoClip, load_track, read_manifest, reference_tracks, track_clips, track_path
from styletalk_core.library.style_clip import style_from_video
from styletalk_core.library.style_map import style_codes
from styletalk_core.library.styles import Style

CLOSED: Final = 0.005
"""Tracked lip gap below which the lips count as closed, in inter-ocular distances."""
ALLOWED_GAP: Final = 0.01
_PARTS: Final = 4
"""Pieces per clip; half of them train the person classifier, the other half test it."""
_RIDGE: Final = 1e-3
_MIN_STYLE_FRAMES: Final = 30
"""Minimum input length of the style encoder."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A clip outside the training set."""

    clip: VideoClip
    track: Track
    face: PersonFace

    @property
    def person(self) -> str:
        """Name of the person, or of the clip if the person is unknown."""
        return self.clip.speaker or self.clip.name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video/manifest.tsv")
    parser.add_argument("--cache", type=Path, help="folder of `styletalk dataset build` (default: track the clips)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Runs all measurements."""
    model = FaceModel.load()
    with tempfile.TemporaryDirectory() as scratch:
        clips = list(held_out(args.data, args.cache or Path(scratch), model))
    result = (
        {"clips": len(clips), "people": len({clip.person for clip in clips})}
        | reconstruction(clips, model)
        | identity(clips, model)
        | retrieval(clips, model)
        | adding_a_style(clips)
    )
    if not args.json:
        for name, value in result.items():
            print(f"{name.replace('_', ' '):34} {value:.4g}")
    return result


def held_out(data: Path, cache: Path, model: FaceModel) -> Iterator[HeldOut]:
    """Every dev and test clip with the person's face, estimated only from the held-out clips of that person."""
    clips = [clip for clip in read_manifest(data) if clip.split != "train"]
    for _ in tqdm(track_clips(clips, cache), desc="tracking", total=len(clips), unit="clip"):
        pass
    people = defaultdict(list)
    for clip in clips:
        if track_path(cache, clip).is_file():
            people[clip.speaker or clip.name].append((clip, load_track(cache, clip)))
    for members in people.values():
        face = person_face(*_references(members, model))
        yield from (HeldOut(clip, track, face) for clip, track in members)


def reconstruction(clips: Sequence[HeldOut], model: FaceModel) -> dict[str, float]:
    """Errors of lips and lip gap after encoding and decoding, in percent of the inter-ocular distance."""
    errors, gaps = [], []
    for held in clips:
        motion = fit_head(held.track.landmarks, held.face.shape)
        canonical, turn = motion.remove(held.track.landmarks), euler_angles(motion.rotation)
        seen = held.track.tracked
        canonical, turn = canonical[seen, :MESH_POINTS], turn[seen]
        decoded = held.face.neutral + model.offsets(model.encode(canonical, held.face.neutral, turn))[:, :MESH_POINTS]
        decoded = decoded + np.einsum("tp,pni->tni", pose_terms(turn), model.pose_leak)
        errors.append(np.linalg.norm((decoded - canonical)[:, list(LIPS)], axis=-1).mean())
        gaps.append(lip_gap(decoded)[lip_gap(canonical) < CLOSED])
    closed = np.concatenate(gaps)
    return {
        "lip_error_percent": 100 * float(np.mean(errors)),
        "lip_error_worst_clip_percent": 100 * float(np.max(errors)),
        "closed_frames": len(closed),
        "closed_gap_percent": 100 * float(closed.mean()),
        "closed_below_1_percent_share": float((closed < ALLOWED_GAP).mean()),
    }


def identity(clips: Sequence[HeldOut], model: FaceModel) -> dict[str, float]:
    """Returns the accuracy of a linear person classifier on landmarks and on coefficients of calm frames.

    Every clip is cut into pieces, each encoded as a clip of its own; the classifier is trained on the even pieces and
    tested on the odd ones.
    """
    faces, coefficients, people, known = [], [], [], []
    for held in clips:
        for number, frames in enumerate(np.array_split(np.arange(len(held.track.times)), _PARTS)):
            piece = held.track.part(int(frames[0]), int(frames[-1]) + 1)
            if not piece.tracked.any():
                continue
            face = person_face(*_references([(held.clip, piece)], model))
            motion = fit_head(piece.landmarks[piece.tracked], face.shape)
            canonical = motion.remove(piece.landmarks[piece.tracked])
            calm = calm_frames(canonical, piece.blendshapes[piece.tracked])
            codes = model.encode(canonical[calm], face.neutral, euler_angles(motion.rotation)[calm])
            faces.append(canonical[calm, :MESH_POINTS].mean(axis=0).ravel())
            coefficients.append(codes.mean(axis=0))
            people.append(held.person)
            known.append(number % 2 == 0)
    names = np.array(people)
    return {
        "person_from_landmarks": _recognized(np.array(faces), names, np.array(known)),
        "person_from_coefficients": _recognized(np.array(coefficients), names, np.array(known)),
        "person_chance": 1 / len(set(people)),
    }


def retrieval(clips: Sequence[HeldOut], model: FaceModel) -> dict[str, float]:
    """Returns how often the nearest style code is of the same person and speaking style; clips are cut in halves."""
    styles, labels = [], []
    for held in clips:
        motion = encode_track(held.track, held.face, model)
        for half in np.array_split(np.flatnonzero(motion.valid), 2):
            if len(half) >= _MIN_STYLE_FRAMES:
                coefficients, pose = motion.coefficients[half], motion.pose[half]
                seen = np.ones(len(half), np.bool_)
                styles.append(Style.of_motion(held.clip.name, coefficients, pose, seen, held.clip.name, 1.0))
                labels.append(f"{held.person} {held.clip.style}")
    codes, names = style_codes(styles), np.array(labels)
    distance = np.linalg.norm(codes[:, None] - codes[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    same = names[:, None] == names[None]
    found = np.array([same[row, distance[row].argmin()] for row in range(len(names))])
    chance = (same.sum(axis=1) - 1) / (len(names) - 1)
    # Every style has the same weight, regardless of its number of clips.
    share = float(np.mean([found[names == name].mean() for name in set(labels)]))
    luck = float(np.mean([chance[names == name].mean() for name in set(labels)]))
    return {"style_found": share, "style_chance": luck, "style_found_over_chance": share / luck}


def adding_a_style(clips: Sequence[HeldOut]) -> dict[str, float]:
    """Wall-clock and CPU seconds to turn a ten-second video into a style."""
    clip = min(clips, key=lambda held: abs(held.track.times[-1] - 10))
    started, cpu_started = time.perf_counter(), time.process_time()
    style_from_video(clip.clip.path, "bench")
    per_10_s = 10 / float(clip.track.times[-1])
    return {
        "style_seconds_per_10_s": (time.perf_counter() - started) * per_10_s,
        "style_cpu_seconds_per_10_s": (time.process_time() - cpu_started) * per_10_s,
    }


def _references(members: Sequence[tuple[VideoClip, Track]], model: FaceModel) -> tuple[list[Track], FaceModel, bool]:
    tracks, neutral = reference_tracks([clip for clip, _ in members], [track for _, track in members])
    return tracks, model, neutral


def _recognized(features: Array, people: NDArray[np.str_], known: NDArray[np.bool_]) -> float:
    """Accuracy on the unknown rows of a ridge classifier trained on the known rows, averaged over people."""
    names = sorted(set(people))
    wanted = (people[:, None] == np.array(names)[None]).astype(np.float64)
    centred = (features - features[known].mean(axis=0)).astype(np.float64)
    centred /= np.sqrt((centred[known] ** 2).sum(axis=1).mean())
    weight = 1 / wanted[known].sum(axis=0)[wanted[known].argmax(axis=1)]
    kernel = centred[known] @ centred[known].T
    solved = np.linalg.solve(kernel + _RIDGE * np.diag(1 / weight), wanted[known] - wanted[known].mean(axis=0))
    guess = (centred[~known] @ centred[known].T @ solved).argmax(axis=1)
    right = guess == wanted[~known].argmax(axis=1)
    return float(np.mean([right[people[~known] == name].mean() for name in names]))
