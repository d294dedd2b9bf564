"""A face model estimated from moving heads recovers the synthetic motion, for every person."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.face.face_model import LOWER, FaceModel
from styletalk_core.face.head_pose import Array, rotation_matrix
from styletalk_core.face.landmarks import LIPS, MESH_POINTS
from styletalk_core.face.track import Track, make_track
from styletalk_core.lab.dataset import VideoClip
from styletalk_core.lab.training import face_model as training
from styletalk_core.lab.training.stills import Stills, expressions
from styletalk_core.library.styles import StyleLibrary

TRUTH = FaceModel.load()
PEOPLE = {"anna": "surprised", "ben": "angry", "carl": "newsreader"}


def filmed(identity: Array, style: str) -> Track:
    """A person whose face differs from the mean by ``identity`` (478, 3), who nods and moves like a preset."""
    motion = StyleLibrary(Path("none")).get(style).coefficients
    faces = TRUTH.mean + identity + TRUTH.offsets(motion)
    heads = [
        70 * face @ rotation_matrix(0.05 * np.sin(i / 9), 0.08 * np.sin(i / 7), 0).T for i, face in enumerate(faces)
    ]
    scores = np.asarray(TRUTH.rest_scores + motion @ TRUTH.to_scores, np.float32)
    return make_track(np.array(heads, np.float32) + 128, scores, np.arange(len(faces)) / 30, (256, 256), faces=1)


@pytest.fixture(scope="module")
def estimated() -> FaceModel:
    random = np.random.default_rng(0)
    people = {}
    for person, style in PEOPLE.items():
        clip = VideoClip(person, Path(), "train", "test", person, "talk", False, "", "")
        stretch = np.asarray(TRUTH.mean * random.uniform(-0.1, 0.1, 3), np.float32)
        people[person] = [(clip, filmed(stretch, style))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "ROUNDS", 2)
        return training.estimate(people)


def test_thirteen_directions_carry_the_lips(estimated: FaceModel) -> None:
    """Motion of a fourth manner, which the estimate has not seen, is described by the estimated directions."""
    motion = TRUTH.offsets(StyleLibrary(Path("none")).get("happy").coefficients)[:, :MESH_POINTS]
    neutral = estimated.mean[:MESH_POINTS]
    again = estimated.offsets(estimated.encode(neutral + motion, neutral))[:, :MESH_POINTS]
    error = np.linalg.norm((again - motion)[:, list(LIPS), :2], axis=-1).mean()
    assert error < 0.25 * np.linalg.norm(motion[:, list(LIPS), :2], axis=-1).mean()


def test_coefficients_have_about_unit_spread(estimated: FaceModel) -> None:
    motion = TRUTH.offsets(StyleLibrary(Path("none")).get("surprised").coefficients)[:, :MESH_POINTS]
    neutral = estimated.mean[:MESH_POINTS]
    spread = estimated.encode(neutral + motion, neutral).std(axis=0)[:LOWER]
    assert 0.3 < spread.mean() < 2


def test_groups_are_apart(estimated: FaceModel) -> None:
    assert np.abs(estimated.directions[LOWER:, list(LIPS)]).max() < 1e-5
    share = training.lower_share(estimated.mean)
    assert share[list(LIPS)].min() == 1
    assert share[[10, 9, 33, 263, 168]].max() == 0


def test_the_expression_of_a_still_is_told_from_the_face_that_shows_it() -> None:
    random, count = np.random.default_rng(1), 80
    scores = np.tile(TRUTH.rest_scores, (count, 1))
    scores[:, [44, 45]] += random.uniform(0, 0.9, (count, 1)).astype(np.float32)
    scores[:, 1:6] += random.uniform(0, 0.6, (count, 1)).astype(np.float32)
    shown = TRUTH.offsets((scores - TRUTH.rest_scores) @ TRUTH.from_scores)
    people = TRUTH.mean * random.uniform(0.95, 1.05, (count, 1, 3))
    stills = Stills(np.asarray(100 * (people + shown), np.float32), scores)
    nothing = np.zeros((0, MESH_POINTS, 3), np.float32)
    expression, rest = expressions(
        stills, TRUTH.mean, TRUTH.lower_share, nothing, np.zeros((0, 52), np.float32), TRUTH.rest_scores
    )
    found, true = expression[:, list(LIPS), :2], shown[:, list(LIPS), :2]
    assert np.abs(found - true).mean() < 0.6 * np.abs(true).mean()
    assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > 0.9
    seen, _ = stills.canonical(TRUTH.mean)
    assert (rest - seen).std() == pytest.approx(expression.std(), rel=0.2)


def test_scores_follow_coefficients(estimated: FaceModel) -> None:
    """The map to scores turns the estimated mouth opening into the score of the jaw (25 in MediaPipe's order)."""
    opening = estimated.directions[:LOWER, 14, 1] - estimated.directions[:LOWER, 13, 1]
    assert estimated.to_scores[:LOWER, 25] @ opening > 0
