"""Catalogue of the avatars, styles and backgrounds that a client may choose from.

Runs on: any thread. A portrait's file is read once, on first use.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal, Protocol

from styletalk_core.errors import NotFound

if TYPE_CHECKING:
    from styletalk_core.library.avatars import AvatarLibrary
    from styletalk_core.library.backgrounds import BackgroundLibrary
    from styletalk_core.library.style_thumbnail import StyleThumbnails
    from styletalk_core.library.styles import StyleLibrary

logger = logging.getLogger(__name__)

AvatarKind = Literal["presenter", "user"]
StyleKind = Literal["emotion", "manner", "user"]

THUMBNAILS_KEPT = 256
"""Cached thumbnails of styles, 6 kB each."""


@dataclass(frozen=True, slots=True)
class AvatarEntry:
    """One portrait of the library."""

    name: str
    title: str
    kind: AvatarKind
    stamp: int
    """Changes when the portrait under this name is replaced."""


@dataclass(frozen=True, slots=True)
class StyleEntry:
    """One speaking style."""

    name: str
    title: str
    kind: StyleKind
    stamp: int
    """Changes when the style under this name is replaced."""


class BackgroundRow(Protocol):
    """One background; ``kind`` is "keep", "blur", "transparent", "color", "picture" or "user"."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def kind(self) -> str: ...


class Catalogue(Protocol):
    """Read access of the web layer to the core's libraries."""

    def avatars(self) -> list[AvatarEntry]:
        """In display order; the first is the default."""

    def styles(self) -> list[StyleEntry]:
        """In display order."""

    def backgrounds(self) -> Sequence[BackgroundRow]:
        """In display order; any other color ``#rrggbb`` may be chosen as well."""

    def check_background(self, name: str) -> None:
        """Checks that a background can be shown.

        Raises:
            NotFound: there is no such background, or its file is damaged.
        """

    def thumbnail(self, avatar: str) -> bytes:
        """Return a thumbnail of an avatar as JPEG.

        Raises:
            NotFound: there is no such avatar.
        """

    def style_thumbnail(self, style: str, avatar: str) -> bytes:
        """Return a thumbnail of an avatar with a style as JPEG.

        Raises:
            NotFound: there is no such style or avatar.
        """


class LibraryCatalogue:
    """The packaged and the user's own avatars, styles and backgrounds; uploads appear without a restart."""

    def __init__(self, avatars: "AvatarLibrary", styles: "StyleLibrary", backgrounds: "BackgroundLibrary") -> None:
        self._avatars = avatars
        self._styles = styles
        self._backgrounds = backgrounds
        self._entries: dict[str, AvatarEntry] = {}
        self._thumbnails: dict[str, bytes] = {}
        self._style_thumbnails: OrderedDict[tuple[str, int, str, int], bytes] = OrderedDict()
        self._wearer: tuple[str, int, StyleThumbnails] | None = None
        self._drawing = Lock()

    def avatars(self) -> list[AvatarEntry]:
        return [entry for name in self._avatars.names() if (entry := self._entry(name)) is not None]

    def _entry(self, name: str) -> AvatarEntry | None:
        """Return the list entry of an avatar; None when its file is damaged."""
        stamp, known = self._avatars.stamp(name), self._entries.get(name)
        if known is not None and known.stamp == stamp:
            return known
        try:
            portrait = self._avatars.get(name)
        except NotFound as error:
            logger.warning("%s", error)
            return None
        kind: AvatarKind = "presenter" if self._avatars.is_builtin(name) else "user"
        self._thumbnails[name] = portrait.thumbnail()
        self._entries[name] = AvatarEntry(name, portrait.title, kind, stamp)
        return self._entries[name]

    def styles(self) -> list[StyleEntry]:
        return [
            StyleEntry(name, name.replace("_", " ").capitalize(), self._styles.kind(name), self._styles.stamp(name))
            for name in self._styles.names()
        ]

    def backgrounds(self) -> Sequence[BackgroundRow]:
        return self._backgrounds.entries()

    def check_background(self, name: str) -> None:
        self._backgrounds.check(name)

    def thumbnail(self, avatar: str) -> bytes:
        if avatar not in self._avatars.names() or self._entry(avatar) is None:
            raise NotFound(f"There is no avatar named {avatar!r}.")
        return self._thumbnails[avatar]

    def style_thumbnail(self, style: str, avatar: str) -> bytes:
        key = style, self._styles.stamp(style), avatar, self._avatars.stamp(avatar)
        with self._drawing:
            if key not in self._style_thumbnails:
                self._style_thumbnails[key] = self._wearing(avatar).jpeg(self._styles.get(style))
                if len(self._style_thumbnails) > THUMBNAILS_KEPT:
                    self._style_thumbnails.popitem(last=False)
            return self._style_thumbnails[key]

    def _wearing(self, avatar: str) -> "StyleThumbnails":
        """Return the painter of thumbnails for this avatar; the most recent one is cached."""
        from styletalk_core.library.style_thumbnail import StyleThumbnails

        stamp = self._avatars.stamp(avatar)
        if self._wearer is None or self._wearer[:2] != (avatar, stamp):
            self._wearer = avatar, stamp, StyleThumbnails(self._avatars.get(avatar))
        return self._wearer[2]
