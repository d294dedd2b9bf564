"""Trains the folds of the skin that an expression makes: `styletalk train folds`.

Two ridge regressions, of the displacement and of the shade that the warped photo lacks, on the blendshape scores of the
expression: unlike the coefficients, a score means the same in every face. Pairs are mirrored; those that fit badly
(light that changes, hair, a hand) count less; people count alike. Both maps together are reduced to a few fields. In:
the videos and tracks of `styletalk dataset build`, and the packaged skin around the mouth, since the folds are what is
missing after it.
Runs on: the command line; on one core, about ten minutes to cut the pairs and some seconds to train.
"""

import argparse
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.landmarks import MIRROR
from styletalk_core.lab.dataset import (
    CLIP_TERMS,
    VideoClip,
    add_licence_argument,
    people_held_out,
    read_manifest,
    track_path,
)
from styletalk_core.lab.training.fold_pairs import FoldPairs, cut_person
from styletalk_core.lab.training.mirror import mirror_map
from styletalk_core.rendering.arrays import Float
from styletalk_core.rendering.face_mesh import EYES, FACE_OVAL, LOWER_OUTER_LIP, MESH, UPPER_OUTER_LIP
from styletalk_core.rendering.skin_folds import VALUES, FoldWeights
from styletalk_core.weights import weight_path

EXPRESSIVE: Final = ("mead", "expressive", "style_clips", "ravdess")
"""Beginnings of the folders whose clips show acted or strong expressions."""
REGIONS: Final = {
    "cheeks": (36, 50, 187, 205, 206, 207, 266, 280, 411, 425, 426, 427),
    "nose_folds": (48, 49, 64, 102, 129, 203, 206, 212, 216, 278, 279, 294, 331, 358, 423, 426, 432, 436),
    "forehead": (69, 108, 151, 299, 337),
    "brow_folds": (8, 9, 168, 193, 417),
    "crows_feet": (31, 35, 113, 124, 226, 228, 247, 261, 265, 342, 353, 446, 448, 467),
}
"""Landmarks of the regions that are judged."""
_NO_EXPRESSION: Final = "news_ar"
"""A folder of newsreaders, whose faces show none."""
_CLIPS: Final = 10
"""Clips per person, at most."""
_PAIRS, _EXPRESSIVE_PAIRS = 10, 16
"""Target frames per reference."""
_EXPRESSIVE_WEIGHT: Final = 2.0
_RIDGE: Final = 10.0
_REWEIGHTED: Final = 3
"""Fits in which pairs with large errors count less than before."""
_EMPHASIS: Final = 1.3
"""Factor that undoes some of the shrinkage; of an unbiased prediction nine tenths of the explained variance remain."""
_FIELDS: Final = 12
_SCALE: Final = np.array([0.03, 0.03, 0.1], np.float32)
"""Displacements and gains that weigh the same in the reduction to fields."""
_FADE_OUTLINE: Final = np.array([0.25, 0.25, 0.12])
"""Distances from the outline of the face within which displacement x, y and gains fade out, inter-ocular distances."""
_FADE_LIPS, _FADE_LIDS = 0.10, 0.06
"""The same from lips and lids."""
_ROUNDING: Final = 1e-5
_CARD: Final = {
    "purpose": "displacement and shading of cheeks, nose folds, forehead and crow's feet of a photo by its expression",
    "not_for": "making a real person appear to say what they did not say; passing generated video off as recorded",
}

_LIMITS: Final = {
    "all": "smooth fields without wrinkles; acted emotions of few people; light that falls from the front",
    "free": "smooth fields without wrinkles; two people who speak without expression",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with video/manifest.tsv")
    parser.add_argument("--cache", type=Path, required=True, help="folder with tracks/; pairs are cached in folds/")
    add_licence_argument(parser)
    parser.add_argument("--out", type=Path, help="weight file to write (folds.safetensors of the set)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the fields; returns the shares of the variance in `REGIONS` that they explain in unseen people.

    Raises:
        InputError: there are no tracked clips, or none of people outside the training set.
    """
    model = FaceModel.load()
    people: dict[str, list[VideoClip]] = defaultdict(list)
    clips = read_manifest(args.data, args.licence)
    held_out = people_held_out(clips, args.licence)
    for clip in clips:
        real = not clip.source.lower().startswith("generated") and not clip.name.startswith(_NO_EXPRESSION)
        if real and track_path(args.cache, clip).is_file():
            people[clip.speaker or clip.name].append(clip)
    train: list[FoldPairs] = []
    unseen: list[FoldPairs] = []
    for name, members in tqdm(people.items(), desc="pairs", unit="person"):
        seen = [clip for clip in members if clip.split == "train" and name not in held_out]
        pairs = _person(name, (seen or members)[:_CLIPS], args.cache, model)
        if pairs is not None:
            (train if seen else unseen).append(pairs)
    if not train or not unseen:
        raise InputError(f"{args.cache} needs tracked clips of people of the train and of another split")
    weights = train_folds(FoldPairs.joined(train), model)
    figures = judge(weights, FoldPairs.joined(unseen), model)
    card: dict[str, object] = {
        **_CARD,
        "terms": CLIP_TERMS[args.licence],
        "limits": _LIMITS[args.licence],
    } | {
        "trained_on": f"clips of {len(train)} people",
        "explained_in_unseen_people": figures,
    }
    out = args.out or weight_path("folds.safetensors")
    weights.save(card, out)
    if not args.json:
        print(f"{out}: {len(train)} people; explained in {len(unseen)} other people: {figures}")
    return figures | {"people": len(train), "unseen_people": len(unseen), "file": str(out)}


def train_folds(pairs: FoldPairs, model: FaceModel) -> FoldWeights:
    """Fits the fields to pairs."""
    mirrored = np.asarray(MIRROR)[:MESH]
    scores = np.concatenate([pairs.coefficients, pairs.coefficients @ mirror_map(model)]) @ model.to_scores
    moved = np.concatenate([pairs.displacement, pairs.displacement[:, mirrored] * [-1, 1]])
    shade = np.concatenate([pairs.shade, pairs.shade[:, mirrored]])
    weight, visible = np.tile(pairs.weight, 2), fade(model)
    maps = [
        _ridge(scores, moved, weight, visible[:, :2]),
        _ridge(scores, shade[..., None], weight, visible[:, 2:]),
    ]
    fields = np.concatenate(maps, axis=-1) * visible
    spread = np.linalg.cholesky(scores.T @ scores / len(scores) + 1e-6 * np.eye(scores.shape[1]))
    u, size, v = np.linalg.svd(spread.T @ (fields / _SCALE).reshape(scores.shape[1], -1), full_matrices=False)
    combined = model.to_scores @ np.linalg.solve(spread.T, u[:, :_FIELDS])
    reduced = (size[:_FIELDS, None] * v[:_FIELDS]).reshape(-1, MESH, VALUES) * _SCALE * (_EMPHASIS * (visible > 0))
    return FoldWeights((_encoder(model) @ combined).T.reshape(-1, MESH, VALUES), reduced)


def judge(weights: FoldWeights, pairs: FoldPairs, model: FaceModel) -> dict[str, dict[str, float]]:
    """Share of the variance of displacement and shade explained in each of `REGIONS`."""
    read = (
        model.offsets(pairs.coefficients)[:, :MESH].reshape(len(pairs.weight), -1)
        @ weights.read.reshape(len(weights.read), -1).T
    )
    found = np.einsum("nk,kvf->nvf", read, weights.fields)
    figures = {}
    for kind, real, drawn in (("moved", pairs.displacement, found[..., :2]), ("shade", pairs.shade, found[..., 2])):
        figures[kind] = {
            name: round(1 - _energy(real - drawn, region, pairs) / _energy(real, region, pairs), 3)
            for name, region in REGIONS.items()
        }
    return figures


def fade(model: FaceModel) -> Float:
    """Factors (468, 3) of fields at the vertices: 0 on the outline of the face, on lips and lids, 1 away from them."""
    places = np.ascontiguousarray(model.mean[:MESH, :2], np.float32)
    holes: list[tuple[tuple[int, ...], float]] = [((*UPPER_OUTER_LIP, *LOWER_OUTER_LIP[::-1]), _FADE_LIPS)]
    holes += [((*eye.upper_lid, *eye.lower_lid[::-1]), _FADE_LIDS) for eye in EYES]
    shares = [_inside(places, FACE_OVAL)[:, None] / _FADE_OUTLINE]
    shares += [-_inside(places, hole)[:, None] / width for hole, width in holes]
    ramps = [np.clip(share - _ROUNDING, 0, 1) for share in np.broadcast_arrays(*shares)]
    return np.asarray(np.prod([ramp * ramp * (3 - 2 * ramp) for ramp in ramps], axis=0), np.float32)


def _inside(places: Float, ring: tuple[int, ...]) -> Float:
    """Return how far places (N, 2) lie inside a ring of them."""
    outline = places[list(ring)]
    return np.array([cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in places])


def _person(name: str, clips: list[VideoClip], cache: Path, model: FaceModel) -> FoldPairs | None:
    """The pairs of a person, cached, with the weights of training; None if the clips cannot be used."""
    path = cache / "folds" / f"{name.replace('/', '_')}.npz"
    expressive = clips[0].name.startswith(EXPRESSIVE)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(InputError):
            cut_person(clips, cache, model, _EXPRESSIVE_PAIRS if expressive else _PAIRS).save(path)
    if not path.is_file():
        return None
    pairs = FoldPairs.load(path)
    share = (_EXPRESSIVE_WEIGHT if expressive else 1.0) / np.sqrt(len(pairs.weight))
    return replace(pairs, weight=pairs.weight * np.float32(share))


def _ridge(scores: Float, wanted: Float, weight: Float, visible: Float) -> Float:
    """Map (S, 468, C) from scores (N, S) to values (N, 468, C), fitted with weights (N,) of the pairs."""
    flat, trust = wanted.reshape(len(wanted), -1), weight / weight.mean()
    for _ in range(_REWEIGHTED):
        share = trust[:, None]
        gram = (scores * share).T @ (scores * share) + _RIDGE * np.eye(scores.shape[1])
        found = np.linalg.solve(gram, (scores * share).T @ (flat * share))
        error = (flat - scores @ found).reshape(wanted.shape) * visible
        size = np.sqrt(np.square(error).mean(axis=(1, 2)))
        trust = weight / weight.mean() / np.sqrt(np.maximum(size / np.median(size), 1))
    return np.asarray(found.reshape(-1, *wanted.shape[1:]), np.float32)


def _encoder(model: FaceModel) -> NDArray[np.float32]:
    """Linear map (1404, 64) from displacements of the landmarks to coefficients."""
    unit = np.eye(3 * MESH, dtype=np.float32).reshape(-1, MESH, 3)
    return model.encode(unit, np.zeros((MESH, 3), np.float32))


def _energy(values: Float, region: tuple[int, ...], pairs: FoldPairs) -> float:
    """Weighted sum of squares of values (N, 468, ...) in a region."""
    squares = np.square(values[:, list(region)]).reshape(len(values), -1).sum(axis=1)
    return float((squares * pairs.weight**2).sum())
