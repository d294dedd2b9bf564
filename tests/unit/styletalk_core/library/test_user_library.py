"""Every library stores files atomically within its folder and distinguishes damaged from missing files."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from styletalk_core.errors import InputError, NotFound, StorageError
from styletalk_core.library.user_library import UserLibrary

WRITER = """
import os, signal, sys
from pathlib import Path
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
from styletalk_core.library.user_library import write_atomically
write_atomically(Path(sys.argv[1]) / "mine.txt", b"new", Path(sys.argv[1]))
"""


@dataclass(frozen=True)
class Note:
    name: str
    words: str


class Notes(UserLibrary[Note]):
    noun = "note"
    suffix = ".txt"

    def encode(self, entry: Note) -> bytes:
        return entry.words.encode("ascii")

    def decode(self, name: str, data: bytes) -> Note:
        return Note(name, data.decode("ascii"))

    def is_reserved(self, name: str) -> bool:
        return name == "blank"


class NestedNotes(Notes):
    suffix = "/note.txt"


@pytest.fixture(params=[Notes, NestedNotes])
def notes(request: pytest.FixtureRequest, tmp_path: Path) -> Notes:
    """A library with one built-in entry, "first"."""
    path = tmp_path / "builtin" / ("first" + request.param.suffix)
    path.parent.mkdir(parents=True)
    path.write_text("built in")
    library: Notes = request.param(tmp_path / "user", tmp_path / "builtin")
    return library


@pytest.mark.parametrize("name", ["mine", "My-clip_2", "9", "Ärger", "x" * 40])
def test_usable_names(notes: Notes, name: str) -> None:
    notes.add(Note(name, "words"))
    assert notes.names() == ["first", name] and notes.get(name) == Note(name, "words")


@pytest.mark.parametrize("name", ["", ".", "..", "../mine", "a/b", "a\\b", "a b", "-a", "_a", "a.b", "x" * 41, "a\0"])
def test_unusable_names_store_nothing_and_find_nothing(notes: Notes, name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a name for a new note: use up to 40 letters"):
        notes.add(Note(name, "words"))
    with pytest.raises(NotFound, match="no note called"):
        notes.get(name)
    with pytest.raises(NotFound, match="does not exist"):
        notes.remove(name)
    assert notes.stamp(name) == 0 and not (tmp_path / "user").exists()


def test_a_reserved_name_cannot_be_added(notes: Notes) -> None:
    with pytest.raises(InputError, match="'blank' is not a name for a new note"):
        notes.add(Note("blank", ""))


def test_an_added_entry_hides_a_built_in_one_until_it_is_removed(notes: Notes, tmp_path: Path) -> None:
    before = notes.stamp("first")
    assert notes.is_builtin("first") and before > 0
    notes.add(Note("first", "mine"))
    assert (notes.names(), notes.get("first").words, notes.is_builtin("first")) == (["first"], "mine", False)
    assert notes.stamp("first") != before
    notes.remove("first")
    assert notes.get("first").words == "built in" and not list((tmp_path / "user").iterdir())
    with pytest.raises(NotFound, match="is built in and cannot be removed"):
        notes.remove("first")


def test_a_damaged_file_is_distinguished_from_a_missing_one_and_never_copied(notes: Notes, tmp_path: Path) -> None:
    path = notes.add(Note("mine", "words"))
    path.write_bytes(b"\xff")
    with pytest.raises(NotFound, match="the note mine is damaged: add it again"):
        notes.get("mine")
    other = type(notes)(tmp_path / "other")
    for name in ("mine", "missing"):
        with pytest.raises(NotFound):
            other.copy(name, notes)
    assert other.names() == []
    notes.add(Note("mine", "again"))
    other.copy("mine", notes)
    assert other.get("mine").words == "again"


def test_without_a_folder_nothing_is_added() -> None:
    library = Notes(None)
    assert library.names() == []
    with pytest.raises(InputError, match="no folder"):
        library.add(Note("mine", "words"))


def test_a_full_disk_leaves_the_old_entry_and_nothing_else(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = notes.add(Note("mine", "old"))

    def full_disk(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StorageError, match="No space left on device"):
        notes.add(Note("mine", "new"))
    assert notes.get("mine").words == "old"
    assert [file for file in path.parents[0].rglob("*") if file.is_file()] == [path]


def test_a_process_killed_while_it_writes_leaves_the_old_entry(tmp_path: Path) -> None:
    library = Notes(tmp_path)
    library.add(Note("mine", "old"))
    ended = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert library.get("mine").words == "old" and library.names() == ["mine"]
