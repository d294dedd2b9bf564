"""Makes a style of a clip, an avatar of a photo and a background of a picture, and adds it to its library.

The command line and the process of an upload call these functions.

Runs on: any thread; a photo takes about a second, a clip of ten seconds about five.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from styletalk_core.errors import InputError
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import BackgroundLibrary, Picture
from styletalk_core.library.styles import Style, StyleLibrary
from styletalk_core.rendering.portrait.portrait import enrol

SIZES: Final = range(256, 1025)
"""Sides of an avatar's video, px."""
DEFAULT_SIZE: Final = 512


@dataclass(frozen=True, slots=True)
class StyleSummary:
    """Description of a style without its motion; see `Style`."""

    name: str
    kind: str
    source: str
    frames_used: int
    tracked_share: float
    motion_energy: float

    @classmethod
    def of(cls, library: StyleLibrary, style: Style) -> "StyleSummary":
        """Describe a style of a library."""
        kind = library.kind(style.name)
        return cls(style.name, kind, style.source, style.frames_used, style.tracked_share, style.motion_energy)


@dataclass(frozen=True, slots=True)
class EnrolledStyle(StyleSummary):
    """A style that was added."""

    seconds: float
    """Time it took."""
    notes: tuple[str, ...]
    """Facts about the clip that its owner should know."""


@dataclass(frozen=True, slots=True)
class EnrolledAvatar:
    """An avatar that was added; ``size`` is the side of its video in px, ``seconds`` the time it took."""

    name: str
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EnrolledBackground:
    """A background that was added; ``seconds`` is the time it took."""

    name: str
    seconds: float


def enroll_style(
    library: StyleLibrary, name: str, clip: Path, progress: Callable[[float], None] | None = None
) -> EnrolledStyle:
    """Add a style made of a clip.

    Args:
        library: to add to.
        name: of the style.
        clip: a video of one person talking.
        progress: is told the share that is done, 0 to 1.

    Raises:
        InputError: the name or the clip cannot be used; the sentence says why.
    """
    # MediaPipe takes a second to import: nothing else waits for it.
    from styletalk_core.library.style_clip import style_from_video

    library.check_name(name)
    started = time.perf_counter()
    made = style_from_video(clip, name, progress)
    library.add(made.style)
    style = made.style
    return EnrolledStyle(
        style.name,
        library.kind(style.name),
        style.source,
        style.frames_used,
        style.tracked_share,
        style.motion_energy,
        _seconds_since(started),
        made.notes,
    )


def enroll_avatar(
    library: AvatarLibrary, name: str, photo: Path, title: str | None = None, size: int = DEFAULT_SIZE
) -> EnrolledAvatar:
    """Add an avatar made of a photo.

    Args:
        library: to add to.
        name: of the avatar.
        photo: a picture of a face that looks into the camera.
        title: name shown to people; made of ``name`` by default.
        size: side of the video, px.

    Raises:
        InputError: the name, the size or the photo cannot be used; the sentence says why.
    """
    library.check_name(name)
    if size not in SIZES:
        raise InputError(f"the size {size} is not between {SIZES[0]} and {SIZES[-1]}")
    started = time.perf_counter()
    library.add(enrol(photo, name, title, size))
    return EnrolledAvatar(name, size, _seconds_since(started))


def enroll_background(library: BackgroundLibrary, name: str, picture: Path) -> EnrolledBackground:
    """Add a picture as a background.

    Raises:
        InputError: the name or the picture cannot be used; the sentence says why.
    """
    library.check_name(name)
    started = time.perf_counter()
    library.add(Picture.of(picture, name))
    return EnrolledBackground(name, _seconds_since(started))


def _seconds_since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
