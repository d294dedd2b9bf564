"""The style map shows the directions of largest variance of the codes."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.library.style_map import StylePosition, draw_map, main_components


def test_widest_spread_is_the_first_axis_and_fills_it() -> None:
    random = np.random.default_rng(0)
    along = np.linspace(-5, 5, 12)
    codes = np.outer(along, random.normal(size=40)) + 0.01 * random.normal(size=(12, 40))
    points = main_components(codes.astype(np.float32))
    assert abs(np.corrcoef(points[:, 0], along)[0, 1]) > 0.999
    assert np.abs(points).max() == pytest.approx(1)
    assert np.abs(points[:, 1]).max() < 0.05


def test_one_style_lies_in_the_middle() -> None:
    assert not main_components(np.ones((1, 40), np.float32)).any()


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_map_is_drawn(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"map{suffix}"
    draw_map([StylePosition("neutral", 0, 0), StylePosition("happy", 1, -0.5)], path)
    assert path.read_bytes().startswith(start)
