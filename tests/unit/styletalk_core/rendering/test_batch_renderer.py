"""The batched renderer renders the same frames as the single renderer, in any batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.batch_renderer import BatchRenderer
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.motion import Motion, draw

SIZE = 256


@pytest.fixture(scope="module")
def renderers() -> list[MeshRenderer]:
    library = AvatarLibrary(Path("does-not-exist"))
    return [MeshRenderer(library.get(name), SIZE) for name in ("clara", "malik")]


def lively(renderer: MeshRenderer, seed: int, behind: NDArray[np.uint8] | None) -> Motion:
    generator = np.random.default_rng(seed)
    pose = generator.uniform(-0.15, 0.15, 6).astype(np.float32)
    gaze = generator.uniform(-0.2, 0.2, 2).astype(np.float32)
    expression = generator.normal(0, 1, 64).astype(np.float32)
    return Motion(renderer, expression, pose, gaze, float(seed % 3) / 2, behind)


def test_every_frame_is_within_a_grey_level_of_the_one_drawn_alone(renderers: list[MeshRenderer]) -> None:
    motions = [lively(renderers[k % 2], k, renderers[k % 2].background) for k in range(10)]
    motions += [lively(renderers[0], 20, None), lively(renderers[1], 21, np.full((SIZE, SIZE, 3), 90, np.uint8))]
    images = BatchRenderer(SIZE, torch.device("cpu")).render(motions)
    for motion, image in zip(motions, images, strict=True):
        expected = draw(motion)
        assert image.shape == expected.shape and image.dtype == np.uint8
        difference = np.abs(image.astype(int) - expected)
        assert difference.mean() < 0.5
        assert np.percentile(difference, 99.5) <= 6


def test_a_frame_does_not_depend_on_who_shares_the_batch(renderers: list[MeshRenderer]) -> None:
    batch = BatchRenderer(SIZE, torch.device("cpu"))
    motions = [lively(renderers[k % 2], k, renderers[k % 2].background) for k in range(3)]
    together = batch.render(motions)
    for motion, image in zip(motions, together, strict=True):
        assert np.abs(batch.render([motion])[0].astype(int) - image).max() <= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_draws_what_the_processor_draws(renderers: list[MeshRenderer]) -> None:
    motions = [lively(renderers[k % 2], k, renderers[k % 2].background) for k in range(32)]
    for motion, image in zip(motions, BatchRenderer(SIZE, torch.device("cuda")).render(motions), strict=True):
        assert np.abs(image.astype(int) - draw(motion)).mean() < 1
