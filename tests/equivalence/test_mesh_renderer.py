"""The mesh renderer renders the same frames as before it was compiled."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.equivalence.make_mesh_golden import CASES, FRAMES, Case, rendered

MEAN, NEARLY_ALL = 0.3, 12
"""Grey levels: mean difference of a frame, and the difference that all but a thousandth stay below."""


@pytest.fixture(scope="module")
def renderers() -> dict[tuple[str, int], Any]:
    return {}


@pytest.fixture(scope="module")
def golden() -> list[NDArray[np.uint8]]:
    with np.load(FRAMES) as stored:
        images = [cv2.imdecode(stored[f"frame_{k}"], cv2.IMREAD_GRAYSCALE) for k in range(len(CASES))]
    return [np.asarray(image, np.uint8) for image in images]


@pytest.mark.parametrize("index", range(len(CASES)))
def test_a_frame_is_the_golden_one(
    index: int, renderers: dict[tuple[str, int], Any], golden: list[NDArray[np.uint8]]
) -> None:
    case: Case = CASES[index]
    image = rendered(case, renderers)
    assert image.shape == golden[index].shape
    difference = np.abs(image.astype(int) - golden[index])
    assert difference.mean() < MEAN, case
    assert np.quantile(difference, 0.999) <= NEARLY_ALL, case
