"""Style codes are blended by share, scaled relative to the neutral one, and computed once per motion."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.errors import InputError
from styletalk_core.library.style_codes import StyleCodes, fade, intensify
from styletalk_core.library.styles import StyleLibrary

Array = np.ndarray


@pytest.fixture
def encoded() -> list[Array]:
    return []


@pytest.fixture
def codes(tmp_path: Path, encoded: list[Array]) -> StyleCodes:
    def encode(clip: Array) -> Array:
        encoded.append(clip)
        return clip.mean(axis=0)

    return StyleCodes(StyleLibrary(tmp_path), encode)


def test_fade_and_intensity_meet_their_ends() -> None:
    start, end = np.random.default_rng(0).normal(size=(2, 100)).astype(np.float32)
    assert np.array_equal(fade(start, end, 0.0), start) and np.array_equal(fade(start, end, 1.0), end)
    np.testing.assert_allclose(fade(start, end, 0.25), 0.75 * start + 0.25 * end, atol=1e-6)
    np.testing.assert_allclose(intensify(end, start, 1.5), start + 1.5 * (end - start), atol=1e-6)
    assert fade(start, end, 0.3).dtype == np.float32


def test_a_blend_is_the_sum_of_its_shares(codes: StyleCodes) -> None:
    happy, sad = codes.blend("happy", 1.0), codes.blend("sad", 1.0)
    np.testing.assert_allclose(codes.blend({"happy": 0.25, "sad": 0.75}, 1.0), 0.25 * happy + 0.75 * sad, atol=1e-6)
    np.testing.assert_array_equal(codes.blend("happy", 0.0), codes.blend("neutral", 1.0))


def test_a_code_is_computed_once(codes: StyleCodes, encoded: list[Array]) -> None:
    codes.blend("happy", 1.0)
    known = len(encoded)
    codes.blend({"happy": 0.5, "neutral": 0.5}, 0.7)
    assert len(encoded) == known == 2


def test_an_unknown_style_is_refused(codes: StyleCodes) -> None:
    with pytest.raises(InputError, match="no style called 'nobody'"):
        codes.blend("nobody", 1.0)
