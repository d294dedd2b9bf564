"""A portrait without visible teeth always gets the same ones; without the bank, all get the drawn row."""

import logging
from pathlib import Path

import numpy as np
import pytest

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.mouth.teeth_bank import bank, row_for

BUILTIN = AvatarLibrary(Path("does-not-exist"))


def test_the_row_of_a_portrait_never_changes_and_portraits_differ() -> None:
    landmarks = [BUILTIN.get(name).landmarks for name in BUILTIN.names()]
    rows = [row_for(points) for points in landmarks]
    assert [row_for(points.copy()) for points in landmarks] == rows
    assert len({id(row) for row in rows}) > 1


def test_every_row_of_the_bank_is_bright_and_as_wide_as_a_smile() -> None:
    for row in bank():
        teeth = row.rgba[row.rgba[..., 3] > 0.99][:, :3]
        assert np.quantile(teeth.mean(axis=1), 0.95) > 0.85
        assert 0.4 < row.rgba.shape[1] * row.pixel < 0.7


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04"])
def test_without_the_bank_a_warning_says_so_and_the_drawn_row_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    path = tmp_path / "teeth.npz"
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        rows = bank(path)
    assert len(rows) == 1 and rows[0].rgba.max() > 0.9
    assert len(caplog.messages) == 1 and "all avatars have the same teeth" in caplog.messages[0]
