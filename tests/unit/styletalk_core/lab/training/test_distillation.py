"""The student learns the mean of its teachers from lessons in its own and in other styles."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training.clips import MotionClip, windows
from styletalk_core.lab.training.distillation import Distillation, mean_network
from styletalk_core.lab.training.evaluation import decoded
from styletalk_core.lab.training.lessons import (
    Lesson,
    Lessons,
    mixed,
    others_regressions,
    predicted,
    taught,
    teach,
)
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import CLOSED_LIPS, PHONES

LIPS = LipMap.of(FaceModel.load())
SMALL = Dimensions(
    width=32, heads=2, feed_forward=32, layers=1, phone_embedding=8, temperature=1.0, style_frames=40, statistics=True
)
STEPS = 60


def network(seed: int, dimensions: Dimensions = SMALL) -> StyleTalk:
    """A network whose lips move about a deviation, with the encoders of every other."""
    torch.manual_seed(0)
    made = StyleTalk(dimensions).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        made.state_dict()["lower.tail.4.weight"].normal_(0, 1)
    return made


def talking(seed: int, split: str = "train", frames: int = 80) -> MotionClip:
    random = np.random.default_rng(seed)
    phones = np.eye(len(PHONES), dtype=np.float32)[random.integers(len(PHONES), size=frames)]
    phones[5::20] = np.eye(len(PHONES), dtype=np.float32)[CLOSED_LIPS[0]]
    motion = random.standard_normal((frames, 64)).astype(np.float32)
    return MotionClip(f"person {seed}/0", "wild", "", split, motion, phones, None, f"person {seed}")


CLIPS = [talking(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def teachers() -> list[StyleTalk]:
    return [network(1), network(2)]


@pytest.fixture(scope="module")
def lessons(teachers: list[StyleTalk]) -> list[Lesson]:
    return teach(teachers, [*CLIPS, talking(9, "dev")], seed=1)


def test_a_lesson_is_the_smoothed_mean_of_the_teachers_with_the_whole_look_ahead(teachers: list[StyleTalk]) -> None:
    clip = CLIPS[0]
    assert clip.phones is not None
    cut, style = torch.from_numpy(windows(clip.phones)), torch.from_numpy(CLIPS[1].coefficients)
    with torch.inference_mode():
        states = [model.mix_style(model.encode_style(style)[None]) for model in teachers]
        said = [model.decode(cut[None], state)[0] for model, state in zip(teachers, states, strict=True)]
    mean = torch.stack(said).mean(dim=0).numpy()[:, :13]
    found = taught(teachers, clip, CLIPS[1].coefficients)
    np.testing.assert_allclose(found[1:-1], 0.2 * mean[:-2] + 0.4 * mean[1:-1] + 0.4 * mean[2:], atol=1e-5)


def test_every_training_clip_is_said_in_its_own_style_partly_as_tracked_and_in_another(
    teachers: list[StyleTalk], lessons: list[Lesson]
) -> None:
    regressions = others_regressions(CLIPS)
    assert [lesson.clip.name for lesson in lessons] == [clip.name for clip in CLIPS for _ in range(2)]
    assert {lesson.clip.name for lesson in lessons if is_own(lesson)} == {clip.name for clip in CLIPS}
    for lesson in lessons:
        style = CLIPS[lesson.style].coefficients
        expected = predicted(regressions[lesson.clip.name], lesson.clip, style)
        target = mixed(taught(teachers, lesson.clip, style), expected)
        if is_own(lesson):
            target = 0.9 * target + 0.1 * lesson.clip.coefficients[:, :13]
        np.testing.assert_allclose(lesson.target, target, atol=1e-5)


def is_own(lesson: Lesson) -> bool:
    return CLIPS[lesson.style].name == lesson.clip.name


def test_a_mixture_has_the_mean_of_the_regression_and_follows_both() -> None:
    random = np.random.default_rng(5)
    decoded_motion, expected = random.standard_normal((2, 50, 13)).astype(np.float32)
    found = mixed(decoded_motion + 3, expected)
    np.testing.assert_allclose(found.mean(axis=0), expected.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(mixed(expected + 3, expected), expected, atol=1e-5)
    moved = [np.corrcoef(found[:, 0], motion[:, 0])[0, 1] for motion in (decoded_motion, expected)]
    assert 0 < moved[0] < moved[1]


def test_nobody_is_predicted_by_a_regression_that_knows_them() -> None:
    first = CLIPS[0]
    changed = [replace(first, coefficients=-first.coefficients), *CLIPS[1:]]
    before, after = others_regressions(CLIPS), others_regressions(changed)
    for clip, known in ((first, True), (CLIPS[1], False)):
        assert np.array_equal(before[clip.name].weight, after[clip.name].weight) is known


def test_clips_of_one_person_are_refused() -> None:
    with pytest.raises(InputError, match="at least two people"):
        others_regressions(CLIPS[:1])


def test_a_batch_depends_on_its_number_only(lessons: list[Lesson]) -> None:
    first, second = (Lessons(network(3), lessons, CLIPS, LIPS, seed=1) for _ in range(2))
    second[0]
    assert torch.equal(first[1].phones, second[1].phones)
    assert torch.equal(first[1].target, second[1].target)
    assert torch.equal(first[1].code, second[1].code)
    assert not torch.equal(first[1].phones, first[2].phones)


def test_clips_too_short_for_a_sequence_are_refused(lessons: list[Lesson]) -> None:
    short = [replace(lesson, target=lesson.target[:30]) for lesson in lessons]
    with pytest.raises(InputError, match="no clip of 33 frames"):
        Lessons(network(3), short, CLIPS, LIPS, seed=1)


def test_the_lower_face_comes_nearer_to_the_teachers_and_nothing_else_changes(
    teachers: list[StyleTalk], lessons: list[Lesson]
) -> None:
    start = network(3)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    clip, target = CLIPS[0], taught(teachers, CLIPS[0], CLIPS[1].coefficients)

    def distance(model: StyleTalk) -> float:
        assert clip.phones is not None
        return float(np.abs(decoded(model, clip.phones, CLIPS[1].coefficients, 2)[:, :13] - target).mean())

    far = distance(start)
    training, batches = Distillation(start, LIPS, 5e-3, 1), Lessons(start, lessons, CLIPS, LIPS, 1)
    for step in range(STEPS):
        terms = training.train_step(batches[step], step, STEPS)
    assert all(np.isfinite(value) for value in terms.values())
    assert distance(training.average) < 0.8 * far
    after = training.average.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed
    assert all(name.startswith("lower.") for name in changed)


def test_the_start_is_the_mean_of_weights_that_fit_together() -> None:
    mean = mean_network([network(1), network(2)])
    parts = [model.state_dict()["lower.tail.4.weight"] for model in (network(1), network(2), mean)]
    torch.testing.assert_close(parts[2], (parts[0] + parts[1]) / 2)
    with pytest.raises(InputError):
        mean_network([network(1), network(1, replace(SMALL, width=16))])
    with pytest.raises(InputError):
        mean_network([network(1, replace(SMALL, calibrated=True))])
