"""The critic tells what is drawn differently, and nothing else, on people that it never saw."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from styletalk_core.lab.evaluation.critic import FOLDS, VERSIONS, CriticSample, samples_of, told_from_real
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.arrays import Image

PORTRAIT = AvatarLibrary(Path("does-not-exist")).get("kenji")


def clips(people: int, apart: float) -> list[list[CriticSample]]:
    """Clips of ``people`` whose rendered frames differ from the real ones by ``apart`` in a tenth of the features."""
    generator = np.random.default_rng(0)
    shift = np.where(np.arange(50) < 5, apart, 0).astype(np.float32)
    found = []
    for _ in range(people):
        person = generator.normal(0, 2, 50)
        frames = person + generator.normal(0, 0.5, (20, 50))
        found.append(
            [
                CriticSample(
                    "mouth",
                    frame.astype(np.float32),
                    {name: (frame + shift * (name == "rendered")).astype(np.float32) for name in VERSIONS},
                )
                for frame in frames
            ]
        )
    return found


def test_a_difference_that_all_people_share_is_told() -> None:
    figures = told_from_real(clips(15, 6.0))
    assert figures["told_from_real_mouth"] > 0.8


def test_what_is_alike_cannot_be_told() -> None:
    figures = told_from_real(clips(15, 6.0))
    assert figures["told_from_real_mouth_encoded_again"] == pytest.approx(0.5, abs=0.05)


def test_too_few_people_give_no_figure() -> None:
    assert np.isnan(told_from_real(clips(FOLDS - 1, 6.0))["told_from_real_mouth"])


def test_mouth_and_both_eyes_are_cut_at_the_same_place_in_every_version() -> None:
    image: Image = cv2.resize(PORTRAIT.image, (256, 256), interpolation=cv2.INTER_AREA)
    landmarks = PORTRAIT.landmarks * (256 / PORTRAIT.image.shape[0])
    samples = samples_of(image, image, image, landmarks)
    assert [sample.region for sample in samples] == ["mouth", "eyes", "eyes"]
    for sample in samples:
        np.testing.assert_array_equal(sample.real, sample.versions["rendered"])
        assert np.abs(sample.real - sample.versions["encoded_again"]).mean() < 0.2
