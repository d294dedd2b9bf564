"""Which avatars and styles a viewer may choose from.

Runs on: event loop; the libraries are read in a thread.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AvatarEntry:
    """One portrait of the library."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class StyleEntry:
    """One speaking style; ``kind`` is "preset" or "user"."""

    name: str
    title: str
    kind: str


class Catalogue(Protocol):
    """What the web side asks about the core's libraries; every method may read files."""

    def avatars(self) -> list[AvatarEntry]:
        """In the order to show them; the first is the default."""

    def styles(self) -> list[StyleEntry]:
        """In the order to show them."""

    def thumbnail(self, avatar: str) -> bytes:
        """A small JPEG.

        Raises:
            ValueError: there is no such avatar.
        """
