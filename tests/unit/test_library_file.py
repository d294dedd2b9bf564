"""Names of users' files cannot leave their folder, and a stamp tells one file from another."""

import os
from pathlib import Path

import pytest

from styletalk_core.errors import InputError
from styletalk_core.library_file import check_name, existing, stamp


@pytest.mark.parametrize("name", ["mine", "My-clip_2", "9", "Ärger", "x" * 40])
def test_usable_names(name: str) -> None:
    check_name(name, "a style")


@pytest.mark.parametrize("name", ["", ".", "..", "../mine", "a/b", "a\\b", "a b", "-a", "_a", "a.b", "x" * 41, "a\0"])
def test_unusable_names(name: str) -> None:
    with pytest.raises(InputError, match="is not a name for a style: use up to 40 letters"):
        check_name(name, "a style")


def test_first_existing_file_and_its_stamp(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert existing((one, other)) is None and stamp(None) == 0
    other.write_text("other")
    assert existing((one, other)) == other
    before = stamp(other)
    os.utime(other, ns=(0, before + 1))
    assert stamp(other) != before > 0
