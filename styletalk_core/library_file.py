"""What the libraries of styles and avatars share: names that are safe as files, and which file a name stands for.

Runs on: any thread.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from styletalk_core.errors import InputError

LONGEST_NAME: Final = 40


def check_name(name: str, kind: str) -> None:
    """Makes sure that ``name`` can be used for a file of the user's.

    Raises:
        InputError: it cannot; the sentence calls the thing by its ``kind``, as "a style".
    """
    usable = name and len(name) <= LONGEST_NAME and name[0].isalnum() and all(c.isalnum() or c in "-_" for c in name)
    if not usable:
        raise InputError(f"{name!r} is not a name for {kind}: use up to {LONGEST_NAME} letters, digits, '-' and '_'")


def existing(paths: Iterable[Path]) -> Path | None:
    """The first of the paths that is a file."""
    return next((path for path in paths if path.is_file()), None)


def stamp(path: Path | None) -> int:
    """A number that is another one for another file; 0 for none."""
    return 0 if path is None else path.stat().st_mtime_ns
