"""User library: named files with one folder layout, one naming rule and one atomic write for every kind of entry.

The libraries of styles, avatars and backgrounds derive from `UserLibrary`. An entry is one file, ``NAME`` + suffix; an
entry of the user hides a built-in one of the same name.

Runs on: any thread; reads and writes small files.
"""

import os
import secrets
import zipfile
import zlib
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from styletalk_core.errors import InputError, NotFound, storing

MAX_NAME_LENGTH: Final = 40
UNFINISHED: Final = ".part"
"""Suffix of a file being written; left behind by a process killed while writing."""
DAMAGE: Final = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""Exceptions raised by a decoder on a file not written by `UserLibrary.encode`."""


class Named(Protocol):
    """Library entry with a name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class UserLibrary(ABC, Generic[T]):
    """Library of built-in and user-added entries."""

    noun: ClassVar[str]
    """Name of an entry's kind in messages, such as "style"."""
    suffix: ClassVar[str]
    """Path suffix of an entry after its name, such as ".jpg"."""

    def __init__(self, user_dir: Path | None, builtin_dir: Path | None = None) -> None:
        """Neither folder need exist; without ``user_dir`` nothing can be added."""
        self._user_dir = None if user_dir is None else Path(user_dir)
        self._builtin_dir = builtin_dir

    @abstractmethod
    def encode(self, entry: T) -> bytes:
        """Encodes an entry as file content."""

    @abstractmethod
    def decode(self, name: str, data: bytes) -> T:
        """Decodes an entry from file content.

        Raises:
            Exception: one of `DAMAGE`; the content was not written by `encode`.
        """

    def is_reserved(self, name: str) -> bool:
        """True for a name that cannot be used for new entries."""
        return False

    def builtin_order(self, name: str) -> Any:
        """Return the sort key of a built-in name."""
        return name

    def builtin_names(self) -> list[str]:
        """Return the names of the built-in entries in display order."""
        return sorted(self._names_in(self._builtin_dir), key=self.builtin_order)

    def added_names(self) -> list[str]:
        """Return the names of user-added entries in alphabetical order; some may hide built-in ones."""
        return sorted(self._names_in(self._user_dir))

    def names(self) -> list[str]:
        """Return the names of all entries, built-in ones first."""
        return list(dict.fromkeys([*self.builtin_names(), *self.added_names()]))

    def is_added(self, name: str) -> bool:
        """True if ``name`` is a user-added entry."""
        path = self._path(self._user_dir, name)
        return path is not None and path.is_file()

    def is_builtin(self, name: str) -> bool:
        """True if ``name`` is a built-in entry not hidden by a user-added one."""
        return not self.is_added(name) and self._find(name) is not None

    def get(self, name: str) -> T:
        """Loads an entry.

        Raises:
            NotFound: there is no such entry, or its file is damaged.
        """
        data = self._read(name)
        try:
            return self.decode(name, data)
        except DAMAGE as error:
            raise NotFound(f"the {self.noun} {name} is damaged: add it again") from error

    def stamp(self, name: str) -> int:
        """Return a number that changes whenever the entry is replaced; 0 if there is no such entry."""
        path = self._find(name)
        return 0 if path is None else path.stat().st_mtime_ns

    def check_name(self, name: str) -> None:
        """Checks that an entry can be added under this name.

        Raises:
            InputError: the name cannot be used.
        """
        if not _is_safe(name):
            letters = f"up to {MAX_NAME_LENGTH} letters, digits, '-' and '_'"
            raise InputError(f"{name!r} is not a name for a new {self.noun}: use {letters}")
        if self.is_reserved(name):
            raise InputError(f"{name!r} is not a name for a new {self.noun}: it is built in, use another one")

    def add(self, entry: T) -> Path:
        """Stores a user-added entry, replacing one of the same name; returns its file.

        Raises:
            InputError: the name cannot be used.
        """
        self.check_name(entry.name)
        return self._store(entry.name, self.encode(entry))

    def copy(self, name: str, source: "UserLibrary[T]") -> Path:
        """Copies an entry from another library.

        Raises:
            InputError: the name cannot be used, or there is no valid entry of this name.
        """
        self.check_name(name)
        source.get(name)  # rejects damaged entries
        return self._store(name, source._read(name))

    def remove(self, name: str) -> None:
        """Deletes a user-added entry.

        Raises:
            NotFound: the entry is built in or does not exist.
        """
        path = self._path(self._user_dir, name)
        if path is None or not path.is_file():
            reason = "is built in and cannot be removed" if name in self.names() else "does not exist"
            raise NotFound(f"the {self.noun} {name!r} {reason}")
        path.unlink()
        if path.parent != self._user_dir:
            with suppress(OSError):  # the folder contains other files
                path.parent.rmdir()

    def _read(self, name: str) -> bytes:
        path = self._find(name)
        if path is None:
            raise NotFound(f"there is no {self.noun} called {name!r}; there are: {', '.join(self.names())}")
        return path.read_bytes()

    def _store(self, name: str, data: bytes) -> Path:
        path = self._path(self._user_dir, name)
        if path is None or self._user_dir is None:
            raise InputError(f"there is no folder for a new {self.noun}")
        write_atomically(path, data, self._user_dir)
        return path

    def _names_in(self, folder: Path | None) -> list[str]:
        if folder is None:
            return []
        paths = folder.glob("*" + self.suffix)
        names = (path.relative_to(folder).as_posix().removesuffix(self.suffix) for path in paths)
        return [name for name in names if _is_safe(name)]

    def _path(self, folder: Path | None, name: str) -> Path | None:
        return folder / (name + self.suffix) if folder is not None and _is_safe(name) else None

    def _find(self, name: str) -> Path | None:
        """Return the file of an entry."""
        paths = (self._path(folder, name) for folder in (self._user_dir, self._builtin_dir))
        return next((path for path in paths if path is not None and path.is_file()), None)


def write_atomically(path: Path, data: bytes, scratch: Path) -> None:
    """Writes a file atomically and durably, even on power loss.

    Args:
        path: path of the file; folders are created as needed.
        data: content.
        scratch: folder on the same file system for the unfinished file.

    Raises:
        StorageError: the file cannot be written.
    """
    with storing():
        _write_durably(path, data, scratch)


def _write_durably(path: Path, data: bytes, scratch: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = scratch / f".{secrets.token_hex(8)}{UNFINISHED}"
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_safe(name: str) -> bool:
    """True for a name that is a valid file name on every system and cannot leave its folder."""
    letters = all(character.isalnum() or character in "-_" for character in name)
    return 0 < len(name) <= MAX_NAME_LENGTH and name[0].isalnum() and letters
