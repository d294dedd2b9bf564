"""Which avatars, styles and backgrounds a viewer may choose from.

Runs on: any thread. The first look at a portrait reads its file, later ones do not.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from styletalk_core.renderer.background import BackgroundLibrary
    from styletalk_core.renderer.portrait import AvatarLibrary
    from styletalk_core.styles import StyleLibrary

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AvatarEntry:
    """One portrait of the library; ``kind`` is "presenter" or "user"."""

    name: str
    title: str
    kind: str
    stamp: int
    """Another number when there is another portrait under this name."""


@dataclass(frozen=True, slots=True)
class StyleEntry:
    """One speaking style; ``kind`` is "emotion", "manner" or "user"."""

    name: str
    title: str
    kind: str


class BackgroundEntry(Protocol):
    """One background; ``kind`` is "keep", "blur", "transparent", "color" or "picture"."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def kind(self) -> str: ...


class Catalogue(Protocol):
    """What the web side asks about the core's libraries."""

    def avatars(self) -> list[AvatarEntry]:
        """In the order to show them; the first is the default."""

    def styles(self) -> list[StyleEntry]:
        """In the order to show them."""

    def backgrounds(self) -> Sequence[BackgroundEntry]:
        """In the order to show them; any other colour ``#rrggbb`` may be chosen as well."""

    def check_background(self, name: str) -> None:
        """Makes sure that a background can be shown.

        Raises:
            ValueError: it cannot.
        """

    def thumbnail(self, avatar: str) -> bytes:
        """A small JPEG.

        Raises:
            ValueError: there is no such avatar.
        """


class LibraryCatalogue:
    """The packaged and the user's own avatars, styles and backgrounds; what a user adds shows without a restart."""

    def __init__(self, avatars: "AvatarLibrary", styles: "StyleLibrary", backgrounds: "BackgroundLibrary") -> None:
        self._avatars = avatars
        self._styles = styles
        self._backgrounds = backgrounds
        self._entries: dict[str, AvatarEntry] = {}
        self._thumbnails: dict[str, bytes] = {}

    def avatars(self) -> list[AvatarEntry]:
        return [entry for name in self._avatars.names() if (entry := self._entry(name)) is not None]

    def _entry(self, name: str) -> AvatarEntry | None:
        """What the list says of an avatar; None of one whose file is damaged."""
        stamp, known = self._avatars.stamp(name), self._entries.get(name)
        if known is not None and known.stamp == stamp:
            return known
        try:
            portrait = self._avatars.get(name)
        except ValueError as error:
            logger.warning("%s", error)
            return None
        kind = "presenter" if self._avatars.is_builtin(name) else "user"
        self._thumbnails[name] = portrait.thumbnail()
        self._entries[name] = AvatarEntry(name, portrait.title, kind, stamp)
        return self._entries[name]

    def styles(self) -> list[StyleEntry]:
        return [
            StyleEntry(name, name.replace("_", " ").capitalize(), self._styles.kind(name))
            for name in self._styles.names()
        ]

    def backgrounds(self) -> Sequence[BackgroundEntry]:
        return self._backgrounds.entries()

    def check_background(self, name: str) -> None:
        self._backgrounds.check(name)

    def thumbnail(self, avatar: str) -> bytes:
        if avatar not in self._avatars.names() or self._entry(avatar) is None:
            raise ValueError(f"There is no avatar named {avatar!r}.")
        return self._thumbnails[avatar]
