"""The library of portraits: packaged presenters and the user's own avatars."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from styletalk_core.library.user_library import UserLibrary
from styletalk_core.rendering.portrait.portrait import Portrait

FIRST: Final = "clara"
"""The presenter that a new client meets."""


class AvatarLibrary(UserLibrary[Portrait]):
    """Built-in presenters, and the portraits a user added."""

    noun = "avatar"
    suffix = "/portrait.npz"

    def __init__(self, user_dir: Path | None) -> None:
        super().__init__(user_dir, Path(str(files("styletalk_core") / "portraits")))

    def encode(self, entry: Portrait) -> bytes:
        return entry.encoded()

    def decode(self, name: str, data: bytes) -> Portrait:
        return Portrait.decoded(name, data)

    def builtin_order(self, name: str) -> tuple[bool, str]:
        """`FIRST` before all."""
        return name != FIRST, name
