"""Estimates the linear face model `mesh64` from tracked clips: `styletalk train face-model`.

Head pose and each person's neutral face are removed; the remaining displacements are split into lower and upper face,
and the principal directions of each are found with a higher weight on the lips. Better directions give better neutral
faces, so this is iterated. Mirrored faces are included, so every direction is symmetric or antisymmetric.
Still portraits add expressions that the people of the clips do not show; see `stills`.

Runs on: the command line; about two minutes on one core. In: tracks from `styletalk dataset build`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from styletalk_core.face.clip_motion import PersonFace, person_face, pool_tracks
from styletalk_core.face.face_model import COEFFICIENTS, LOWER, FaceModel, fit_features, pose_terms
from styletalk_core.face.head_pose import Array, clip_shape, euler_angles, fit_head, frontal, mirrored
from styletalk_core.face.landmarks import (
    BROW_LEFT,
    BROW_RIGHT,
    EYE_LEFT,
    EYE_RIGHT,
    FACE_OVAL,
    INNER_LIP_LOWER,
    INNER_LIP_UPPER,
    LANDMARKS,
    LIPS,
    MESH_POINTS,
    MIRROR,
)
from styletalk_core.face.track import Track
from styletalk_core.lab.dataset import (
    VideoClip,
    add_licence_argument,
    group_people,
    load_track,
    read_manifest,
    reference_tracks,
)
from styletalk_core.lab.training.stills import UPPER_SCORES, Stills, expressions, read_stills
from styletalk_core.weights import weight_path

ROUNDS: Final = 3
SCORES: Final = 52
_FLIP: Final = np.array([-1, 1, 1], np.float32)
_PERSON_FRAMES: Final = 1200
"""Frames used per person, at most."""
_UNKNOWN_FRAMES: Final = 8
"""Frames used per clip of an unknown person; there are many such clips, all short."""
_STILL_FRAMES: Final = 4
"""Frames as many as which a still portrait counts."""
_NOSE_TIP: Final = 4
_NOSE_BASE: Final = 2
_LIP_TOP: Final = 0
_NOSE_WIDTH: Final = 0.25
_RIDGE: Final = 0.02
"""Regularisation of the maps between scores and coefficients, relative to the mean variance of their input."""
_LEAK_RIDGE: Final = 2.0
"""Regularisation of what head rotation displaces: without, noise would be taken for it where heads hardly turn."""


@dataclass(frozen=True, slots=True)
class Sample:
    """N frames of one clip, relative to the person's neutral face."""

    displacement: Array  # (N, 468, 3)
    turn: Array  # (N, 3), relative to the clip's median pose
    scores: Array  # (N, 52)
    rest: Array | None  # (52,) the person's scores at rest, if one of its clips is known to be neutral


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video/manifest.tsv")
    parser.add_argument("--cache", type=Path, required=True, help="output folder of `styletalk dataset build`")
    parser.add_argument("--out", type=Path, help="weight file to write (mesh64.safetensors of the set)")
    add_licence_argument(parser)
    parser.add_argument("--portraits", type=Path, nargs="*", default=[], help="folders with more faces, as stills")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Estimates the model and writes it."""
    clips = [clip for clip in read_manifest(args.data, args.licence) if clip.split == "train"]
    people = load_people(clips, args.cache)
    model = estimate(people, read_stills(args.portraits), progress=not args.json)
    out = args.out or weight_path("mesh64.safetensors")
    model.save(out)
    result = {"people": len(people), "clips": sum(map(len, people.values())), "file": str(out)}
    if not args.json:
        print(f"{result['file']}: estimated from {result['clips']} clips of {result['people']} people")
    return result


def load_people(clips: Sequence[VideoClip], cache: Path) -> dict[str, list[tuple[VideoClip, Track]]]:
    """Loads the tracks, grouped by person.

    Raises:
        InputError: no clip has been tracked.
    """
    people = group_people(clips, cache)
    return {person: [(clip, load_track(cache, clip)) for clip in members] for person, members in people.items()}


def estimate(
    people: dict[str, list[tuple[VideoClip, Track]]], stills: Stills | None = None, progress: bool = False
) -> FaceModel:
    """Alternates between estimating the neutral faces and the directions."""
    references = {person: reference_tracks(*map(list, zip(*clips, strict=True))) for person, clips in people.items()}
    shapes = {
        person: clip_shape(pool_tracks(tracks)[0])
        for person, (tracks, _) in tqdm(references.items(), desc="head shapes", disable=not progress)
    }
    still = [] if stills is None else [clip_shape(landmarks[None]) for landmarks in stills.landmarks]
    model = _blank([*shapes.values(), *still])
    for number in range(ROUNDS):
        samples, faces = [], []
        for person, clips in tqdm(people.items(), desc=f"round {number + 1} of {ROUNDS}", disable=not progress):
            tracks, known = references[person]
            face = person_face(tracks, model, known, shapes[person])
            samples += [_sample(clip, track, face, len(clips), known) for clip, track in clips]
            faces.append(face)
        model = _improved(model, samples, faces, stills)
    return model


def lower_share(mean: Array) -> Array:
    """(468,): 0 above the nose tip, 1 from the upper lip down, smooth in between; the whole nose is upper face."""
    x, y = mean[:MESH_POINTS, 0], mean[:MESH_POINTS, 1]
    beside_nose = np.exp(-((x / _NOSE_WIDTH) ** 4))
    start = y[_NOSE_TIP] + (y[_NOSE_BASE] - y[_NOSE_TIP]) * beside_nose
    ramp = np.clip((y - start) / (y[_LIP_TOP] - start), 0, 1)
    share = ramp**2 * (3 - 2 * ramp)
    share[list(LIPS)] = 1
    return np.asarray(share, np.float32)


def vertex_weights() -> Array:
    """(468,) weight of each vertex in the fit; lowest for the outline, which slides over the face."""
    weight = np.ones(MESH_POINTS, np.float32)
    weight[list(FACE_OVAL)] = 0.5
    weight[list(BROW_LEFT + BROW_RIGHT)] = 2
    weight[list(EYE_LEFT + EYE_RIGHT)] = 3
    weight[list(LIPS)] = 4
    return weight


def _blank(shapes: Sequence[Array]) -> FaceModel:
    """A model without directions, centred on the average of all people's median faces."""
    mean = shapes[0]
    for _ in range(ROUNDS):
        aligned = [fit_head(shape[None], mean).remove(shape[None])[0] for shape in shapes]
        mean = frontal(np.asarray(np.median(aligned, axis=0), np.float32))
    nothing = np.zeros((COEFFICIENTS, LANDMARKS, 3), np.float32)
    return FaceModel(
        mean=mean,
        directions=nothing,
        lower_share=lower_share(mean),
        weight=vertex_weights(),
        pose_leak=np.zeros((6, MESH_POINTS, 3), np.float32),
        rest_scores=np.zeros(SCORES, np.float32),
        from_scores=np.zeros((SCORES, COEFFICIENTS), np.float32),
        to_scores=np.zeros((COEFFICIENTS, SCORES), np.float32),
    )


def _sample(clip: VideoClip, track: Track, face: PersonFace, clips: int, known: bool) -> Sample:
    wanted = _PERSON_FRAMES // clips if clip.speaker else _UNKNOWN_FRAMES
    frames = np.flatnonzero(track.tracked)
    frames = frames[:: max(1, len(frames) // max(wanted, 1))]
    motion = fit_head(track.landmarks, face.shape)
    turn = euler_angles(motion.rotation)
    canonical = motion.remove(track.landmarks)[frames, :MESH_POINTS]
    return Sample(canonical - face.neutral, turn[frames], track.blendshapes[frames], face.scores if known else None)


def _improved(
    model: FaceModel, samples: Sequence[Sample], people: Sequence[PersonFace], stills: Stills | None
) -> FaceModel:
    """Re-estimates the mean, directions and maps from the displacements of all people."""
    leak = _pose_leak(samples)
    clean = [sample.displacement - np.einsum("tp,pni->tni", pose_terms(sample.turn), leak) for sample in samples]
    rest = np.median([face.scores for face in people], axis=0)
    neutral = [face.neutral for face in people]
    shown = np.empty((0, MESH_POINTS, 3), np.float32)
    if stills is not None:
        moved, scored = (
            np.concatenate([part - part.mean(axis=0) for part in parts])
            for parts in (clean, [sample.scores for sample in samples])
        )
        shown, faces_at_rest = expressions(stills, model.mean, lower_share(model.mean), moved, scored, rest)
        neutral += list(faces_at_rest)
    mean = model.mean.copy()
    mean[:MESH_POINTS] = np.median(neutral, axis=0)
    mean = frontal(np.asarray((mean + mirrored(mean)) / 2, np.float32))
    faces = np.concatenate([*clean, *[shown] * _STILL_FRAMES])
    extreme = np.abs(faces).max(axis=(1, 2))
    faces = faces[extreme < np.quantile(extreme, 0.995)]
    share, weight = lower_share(mean), vertex_weights()
    directions = np.zeros((COEFFICIENTS, LANDMARKS, 3), np.float32)
    directions[:LOWER, :MESH_POINTS] = _directions(faces * share[:, None], weight, LOWER)
    directions[LOWER:, :MESH_POINTS] = _directions(faces * (1 - share)[:, None], weight, COEFFICIENTS - LOWER)
    draft = FaceModel(mean, directions, share, weight, leak, rest, model.from_scores, model.to_scores)
    nothing = np.zeros((MESH_POINTS, 3), np.float32)
    pairs = [_matched(draft.encode(face, nothing), sample) for face, sample in zip(clean, samples, strict=True)]
    if stills is not None:
        pairs += [(draft.encode(shown, nothing), stills.scores - rest)] * _STILL_FRAMES
    coefficients, scores = (np.concatenate(part) for part in zip(*pairs, strict=True))
    from_scores = _ridge(scores, coefficients)
    if stills is not None:
        from_scores[:, :LOWER] = _ridge(scores * ~UPPER_SCORES, coefficients[:, :LOWER])
    return FaceModel(mean, directions, share, weight, leak, rest, from_scores, _ridge(coefficients, scores))


def _pose_leak(samples: Sequence[Sample]) -> Array:
    """(6, 468, 3) within-clip least squares of displacement on head rotation."""
    terms = np.concatenate([pose_terms(sample.turn) - pose_terms(sample.turn).mean(axis=0) for sample in samples])
    moved = np.concatenate([sample.displacement - sample.displacement.mean(axis=0) for sample in samples])
    return _ridge(terms, moved.reshape(len(moved), -1), _LEAK_RIDGE).reshape(-1, MESH_POINTS, 3)


def _directions(faces: Array, weight: Array, count: int) -> Array:
    """(N, 468, 3) displacements -> (count, 468, 3) principal directions, each scaled to unit standard deviation."""
    features = np.concatenate(
        (fit_features(faces, weight), fit_features((faces * _FLIP)[:, MIRROR[:MESH_POINTS]], weight))
    )
    values, vectors = np.linalg.eigh((features.T @ features).astype(np.float64) / len(features))
    vectors = vectors[:, np.argsort(-values)[:count]]
    amounts = features @ vectors
    both = np.concatenate((faces, (faces * _FLIP)[:, MIRROR[:MESH_POINTS]])).reshape(len(features), -1)
    directions = np.linalg.lstsq(amounts, both, rcond=None)[0] * amounts.std(axis=0)[:, None]
    directions = directions.reshape(count, MESH_POINTS, 3)
    opening = directions[:, INNER_LIP_LOWER, 1] - directions[:, INNER_LIP_UPPER, 1]
    largest = directions.reshape(count, -1)[np.arange(count), np.abs(directions.reshape(count, -1)).argmax(axis=1)]
    sign = np.sign(np.where(np.abs(opening) > 1e-3, opening, largest))
    return np.asarray(directions * sign[:, None, None], np.float32)


def _matched(coefficients: Array, sample: Sample) -> tuple[Array, Array]:
    """Coefficients and scores relative to a common reference: the known neutral face, else the clip's mean."""
    if sample.rest is not None:
        return coefficients, sample.scores - sample.rest
    return coefficients - coefficients.mean(axis=0), sample.scores - sample.scores.mean(axis=0)


def _ridge(inputs: NDArray[np.float32], outputs: NDArray[np.float32], least: float = 0.0) -> Array:
    """Ridge regression without intercept: ``inputs @ result`` approximates ``outputs``."""
    square = inputs.T @ inputs
    square = square + (least + _RIDGE * np.trace(square) / len(square)) * np.eye(len(square))
    return np.asarray(np.linalg.solve(square, inputs.T @ outputs), np.float32)
