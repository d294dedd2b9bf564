"""Enrolment: creates styles from clips, avatars from photos and backgrounds from images, and stores them.

Called by the command line and by the upload process.

Runs on: any thread; a photo takes about a second, a clip of ten seconds about five.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from styletalk_core.errors import InputError, NotFound
from styletalk_core.face.basel import has_map, packaged_map
from styletalk_core.face.basel_file import is_basel_file
from styletalk_core.face.spaces import Space
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import BackgroundImage, BackgroundLibrary
from styletalk_core.library.styles import Style, StyleLibrary
from styletalk_core.library.teeth import with_smile, with_teeth
from styletalk_core.rendering.portrait.portrait import enrol_face

SIZES: Final = range(256, 1025)
"""Allowed sizes of an avatar's video in pixels."""
DEFAULT_SIZE: Final = 512


@dataclass(frozen=True, slots=True)
class StyleSummary:
    """Style metadata without the motion; see `Style`."""

    name: str
    kind: str
    source: str
    frames_used: int
    tracked_share: float
    motion_energy: float
    space: Space
    """Meaning of the stored coefficients; a session of the other kind converts them."""

    @classmethod
    def of(cls, library: StyleLibrary, style: Style) -> "StyleSummary":
        """Return the metadata of a style of a library."""
        kind = library.kind(style.name)
        return cls(
            style.name,
            kind,
            style.source,
            style.frames_used,
            style.tracked_share,
            style.motion_energy,
            style.space,
        )


@dataclass(frozen=True, slots=True)
class EnrolledStyle(StyleSummary):
    """Result of adding a style."""

    seconds: float
    """Processing time in seconds."""
    notes: tuple[str, ...]
    """Notes on the clip for its owner."""
    conversion_error: float | None
    """Error of the coefficients in a session of the other kind, relative to their deviation; of unseen people.

    None with weights that cannot convert them.
    """


@dataclass(frozen=True, slots=True)
class EnrolledAvatar:
    """Result of adding an avatar: ``size`` of its video in pixels, processing time in ``seconds``.

    ``face`` is the number of the face that was taken, of the ``faces`` in the photo from the largest to the smallest.
    """

    name: str
    size: int
    seconds: float
    face: int
    faces: int
    notes: tuple[str, ...]
    """What another photo should do better; empty for a good one."""


@dataclass(frozen=True, slots=True)
class EnrolledSmile:
    """Result of adding the teeth of a smile to the avatar ``name``; processing time in ``seconds``."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EnrolledBackground:
    """Result of adding a background; processing time in ``seconds``."""

    name: str
    seconds: float


def enroll_style(
    library: StyleLibrary, name: str, clip: Path, progress: Callable[[float], None] | None = None
) -> EnrolledStyle:
    """Creates a style from a clip and adds it.

    Args:
        library: library to add to.
        name: name of the style.
        clip: a video of one person talking, or a coefficient file of the authors.
        progress: called with the completed share, 0 to 1.

    Raises:
        InputError: the name or the clip cannot be used; the sentence says why.
    """
    library.check_name(name)
    started = time.perf_counter()
    style, notes = _made_style(name, clip, progress)
    library.add(style)
    about = StyleSummary.of(library, style)
    error = packaged_map().quality.error_from(style.space) if has_map() else None
    return EnrolledStyle(**asdict(about), seconds=_seconds_since(started), notes=notes, conversion_error=error)


def _made_style(name: str, clip: Path, progress: Callable[[float], None] | None) -> tuple[Style, tuple[str, ...]]:
    # MediaPipe takes a second to import, so it is imported only here.
    if is_basel_file(clip):
        from styletalk_core.library.style_coefficients import style_from_coefficients

        return style_from_coefficients(clip, name), ()
    from styletalk_core.library.style_clip import style_from_video

    made = style_from_video(clip, name, progress)
    return made.style, made.notes


def enroll_avatar(
    library: AvatarLibrary,
    name: str,
    photo: Path,
    title: str | None = None,
    size: int = DEFAULT_SIZE,
    face: int = 1,
    *,
    teeth: int | None = None,
    smile: Path | None = None,
) -> EnrolledAvatar:
    """Creates an avatar from a photo and adds it.

    Args:
        library: library to add to.
        name: name of the avatar.
        photo: image of a face looking into the camera.
        title: display name; derived from ``name`` by default.
        size: side of the video in pixels.
        face: number of the face to take, largest first.
        teeth: number of a row of the teeth bank; by default the photo's own row, or one chosen by its face.
        smile: another photo of the same person, whose teeth it takes.

    Raises:
        InputError: the name, the size, the teeth or a photo cannot be used; the message says why.
    """
    library.check_name(name)
    if size not in SIZES:
        raise InputError(f"the size {size} is not between {SIZES[0]} and {SIZES[-1]}")
    if teeth is not None and smile is not None:
        raise InputError("teeth come from a smiling photo or from the bank, not from both")
    started = time.perf_counter()
    found = enrol_face(photo, name, title, size, face)
    portrait = found.portrait
    if teeth is not None:
        portrait = with_teeth(portrait, teeth)
    if smile is not None:
        portrait = with_smile(portrait, smile)
    library.add(portrait)
    return EnrolledAvatar(name, size, _seconds_since(started), face, found.faces, found.notes)


def enroll_smile(library: AvatarLibrary, name: str, photo: Path) -> EnrolledSmile:
    """Gives an added avatar the teeth of a smiling photo of the same person.

    Raises:
        NotFound: no avatar of this name was added.
        InputError: the photo cannot be used; the message says why.
    """
    if not library.is_added(name):
        raise NotFound(f"there is no added avatar {name!r} whose teeth could change")
    started = time.perf_counter()
    library.add(with_smile(library.get(name), photo))
    return EnrolledSmile(name, _seconds_since(started))


def enroll_background(library: BackgroundLibrary, name: str, path: Path) -> EnrolledBackground:
    """Adds an image as a background.

    Raises:
        InputError: the name or the image cannot be used; the message says why.
    """
    library.check_name(name)
    started = time.perf_counter()
    library.add(BackgroundImage.of(path, name))
    return EnrolledBackground(name, _seconds_since(started))


def _seconds_since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
