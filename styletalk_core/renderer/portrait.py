"""A portrait that can be rendered: a square photo with its landmarks and person mask, and the library of them.

Runs on: any thread. Enrolment takes about a second; nothing here runs per frame.
"""

import io
import json
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.library_file import check_name, existing, stamp
from styletalk_core.renderer.arrays import Float, Image, Index
from styletalk_core.renderer.person_mask import person_mask

_PICTURE_OPTIONS = [cv2.IMWRITE_JPEG_QUALITY, 95]

FIRST: Final = "clara"
"""The presenter that a new visitor meets."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """One face, ready to be rendered at any size."""

    name: str
    title: str
    size: int  # side of the output it was enrolled for, px
    picture: Image  # (T, T, 3) RGB; T may exceed ``size`` for sharpness
    mask: Image  # (T, T) 0 background .. 255 person
    landmarks: Float  # (478, 3) px of ``picture``
    triangles: Index  # (F, 3) of the face mesh, eyes and mouth filled in

    def save(self, path: Path) -> None:
        """Writes one file, whole or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            about=np.frombuffer(json.dumps({"title": self.title, "size": self.size}).encode(), np.uint8),
            picture=cv2.imencode(".jpg", cv2.cvtColor(self.picture, cv2.COLOR_RGB2BGR), _PICTURE_OPTIONS)[1],
            mask=cv2.imencode(".png", self.mask)[1],
            landmarks=self.landmarks,
            triangles=self.triangles.astype(np.int16),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(buffer.getvalue())
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Portrait":
        """Reads a file written by `save`; its name is the folder's.

        Raises:
            InputError: the file is damaged.
        """
        try:
            with np.load(path) as stored:
                about = json.loads(stored["about"].tobytes())
                return cls(
                    name=path.parent.name,
                    title=about["title"],
                    size=about["size"],
                    picture=cv2.cvtColor(_decoded(stored["picture"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB),
                    mask=_decoded(stored["mask"], cv2.IMREAD_GRAYSCALE),
                    landmarks=stored["landmarks"],
                    triangles=stored["triangles"].astype(np.int32),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, cv2.error) as error:
            raise InputError(f"the avatar {path.parent.name} is damaged: add it again") from error

    def thumbnail(self, side: int = 512) -> bytes:
        """Returns a JPEG of ``side`` x ``side`` pixels."""
        resized = cv2.resize(self.picture, (side, side), interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", cv2.cvtColor(resized, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
        return bytes(encoded)


def _decoded(data: Image, flags: int) -> Image:
    picture = cv2.imdecode(data, flags)
    if picture is None:
        raise ValueError("not a picture")
    return picture


def enrol(image_path: Path, name: str | None = None, title: str | None = None, size: int = 512) -> Portrait:
    """Makes a portrait of the largest face in a photo.

    Args:
        image_path: any still picture that Pillow reads.
        name: short name in the library; the file's own by default.
        title: name shown to people.
        size: side of the output picture, px.

    Raises:
        InputError: no picture, or no face in it that could be made to speak; the sentence says why.
    """
    # Only enrolment needs the face tracker: a server that shows stored portraits never loads it.
    from styletalk_core.renderer import photo
    from styletalk_core.renderer.face_mesh import face_triangles
    from styletalk_core.renderer.picture import load

    name = name or Path(image_path).stem
    rgb, landmarks = photo.cropped_face(load(Path(image_path)), size)
    return Portrait(
        name=name,
        title=title or name.replace("_", " ").replace("-", " ").title(),
        size=size,
        picture=rgb,
        mask=np.round(person_mask(rgb) * 255).astype(np.uint8),
        landmarks=landmarks,
        triangles=face_triangles(),
    )


class AvatarLibrary:
    """Built-in presenters, and the portraits a user added; a user's portrait hides a built-in of the same name."""

    def __init__(self, user_dir: Path) -> None:
        self._user_dir = Path(user_dir)
        self._builtin_dir = Path(str(files("styletalk_core") / "portraits"))

    def names(self) -> list[str]:
        """Built-in names first, `FIRST` before all; then the user's; each in alphabetical order."""
        builtin = sorted(path.parent.name for path in self._builtin_dir.glob("*/portrait.npz"))
        builtin.sort(key=lambda name: name != FIRST)
        added = sorted(path.parent.name for path in self._user_dir.glob("*/portrait.npz"))
        return [*builtin, *(name for name in added if name not in builtin)]

    def is_builtin(self, name: str) -> bool:
        """Whether ``name`` is shown from the package rather than from the user's folder."""
        return not self._user_path(name).exists() and (self._builtin_dir / name / "portrait.npz").exists()

    def get(self, name: str) -> Portrait:
        """Loads a portrait.

        Raises:
            InputError: there is none of this name.
        """
        if (path := self._path(name)) is not None:
            return Portrait.load(path)
        raise InputError(f"there is no avatar called {name!r}; there are: {', '.join(self.names())}")

    def stamp(self, name: str) -> int:
        """Changes when another portrait is added under this name; 0 where there is none."""
        return stamp(self._path(name))

    def check_name(self, name: str) -> None:
        """Whether an avatar of this name can be added.

        Raises:
            InputError: the name cannot be used.
        """
        self._user_path(name)

    def add(self, portrait: Portrait) -> Path:
        """Stores a user's portrait and returns its file, replacing one of the same name."""
        path = self._user_path(portrait.name)
        portrait.save(path)
        return path

    def remove(self, name: str) -> None:
        """Deletes a user's portrait.

        Raises:
            InputError: it is built in, or there is none of this name.
        """
        path = self._user_path(name)
        if not path.is_file():
            reason = "is built in and cannot be removed" if name in self.names() else "does not exist"
            raise InputError(f"the avatar {name!r} {reason}")
        doomed = Path(tempfile.mkdtemp(dir=self._user_dir))
        path.parent.replace(doomed / "removed")
        shutil.rmtree(doomed)

    def _path(self, name: str) -> Path | None:
        return existing((self._user_path(name), self._builtin_dir / name / "portrait.npz"))

    def _user_path(self, name: str) -> Path:
        check_name(name, "an avatar")
        return self._user_dir / name / "portrait.npz"
