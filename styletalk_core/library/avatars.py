"""Avatar library: packaged presenters and user-added avatars."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from styletalk_core.library.user_library import UserLibrary
from styletalk_core.rendering.portrait.portrait import Portrait

FIRST: Final = "clara"
"""Default avatar of a new client."""


class AvatarLibrary(UserLibrary[Portrait]):
    """Library of built-in presenters and user-added portraits."""

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
