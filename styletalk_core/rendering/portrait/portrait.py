"""Portrait: a square photo with landmarks and person mask, ready for rendering, and its enrolment.

Runs on: any thread. Enrolment takes about two seconds; nothing here runs per frame.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image, Index
from styletalk_core.rendering.mouth.teeth import Rows, TeethRow
from styletalk_core.rendering.portrait.person_mask import person_mask

_PICTURE_OPTIONS = [cv2.IMWRITE_JPEG_QUALITY, 95]


@dataclass(frozen=True, slots=True)
class Portrait:
    """One face, ready to be rendered at any size."""

    name: str
    title: str
    size: int  # side of the output it was enrolled for, px
    image: Image  # (T, T, 3) RGB; T may exceed ``size`` for sharpness
    mask: Image  # (T, T) 0 background .. 255 person
    landmarks: Float  # (478, 3) px of ``image``
    triangles: Index  # (F, 3) of the face mesh, eyes and mouth filled in
    teeth: Rows | None = None  # chosen: of the bank, or of a smile of the same person; by default the photo's or any

    def encoded(self) -> bytes:
        """Return the content of a portrait's file."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            about=np.frombuffer(json.dumps({"title": self.title, "size": self.size}).encode(), np.uint8),
            picture=cv2.imencode(".jpg", cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR), _PICTURE_OPTIONS)[1],
            mask=cv2.imencode(".png", self.mask)[1],
            landmarks=self.landmarks,
            triangles=self.triangles.astype(np.int16),
            **_encoded_teeth(self.teeth),
        )
        return buffer.getvalue()

    @classmethod
    def decoded(cls, name: str, data: bytes) -> "Portrait":
        """Decodes a portrait file; raises one of `DAMAGE` if it is invalid."""
        with np.load(io.BytesIO(data)) as stored:
            about = json.loads(stored["about"].tobytes())
            return cls(
                name=name,
                title=about["title"],
                size=about["size"],
                image=cv2.cvtColor(_decoded(stored["picture"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB),
                mask=_decoded(stored["mask"], cv2.IMREAD_GRAYSCALE),
                landmarks=stored["landmarks"],
                triangles=stored["triangles"].astype(np.int32),
                teeth=_decoded_teeth(stored),
            )

    def thumbnail(self, side: int = 512) -> bytes:
        """Returns a JPEG of ``side`` x ``side`` pixels."""
        resized = cv2.resize(self.image, (side, side), interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", cv2.cvtColor(resized, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
        return bytes(encoded)


def _encoded_teeth(teeth: Rows | None) -> dict[str, Any]:
    """Arrays of a portrait's file, by name: texture and place of each row."""
    rows = {} if teeth is None else {"upper": teeth.upper, "lower": teeth.lower}
    arrays = {}
    for name, row in rows.items():
        if row is not None:
            arrays[f"{name}_teeth"] = row.rgba.astype(np.float16)
            arrays[f"{name}_place"] = np.array([row.left, row.top, row.pixel, *row.enamel], np.float32)
    return arrays


def _decoded_teeth(stored: Mapping[str, Float]) -> Rows | None:
    """Inverse of `_encoded_teeth`; None in a file without any."""

    def row(name: str) -> TeethRow | None:
        if f"{name}_teeth" not in stored:
            return None
        rgba = stored[f"{name}_teeth"].astype(np.float32)
        left, top, pixel, *enamel = stored[f"{name}_place"]
        if rgba.ndim != 3 or rgba.shape[-1] != 4 or not np.isfinite(rgba).all() or pixel <= 0 or len(enamel) != 3:
            raise ValueError("not a row of teeth")
        return TeethRow(rgba, float(left), float(top), float(pixel), np.array(enamel, np.float32))

    upper = row("upper")
    return None if upper is None else Rows(upper, row("lower"))


def _decoded(data: Image, flags: int) -> Image:
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise ValueError("not the bytes of an image") from error
    if image is None:
        raise ValueError("not an image")
    return image


def enrol(image_path: Path, name: str | None = None, title: str | None = None, size: int = 512) -> Portrait:
    """Creates a portrait from the largest face in a photo; see `enrol_face`."""
    return enrol_face(image_path, name, title, size).portrait


@dataclass(frozen=True, slots=True)
class EnrolledFace:
    """A portrait, the number of faces in its photo, and what another photo should do better."""

    portrait: Portrait
    faces: int
    notes: tuple[str, ...]


def enrol_face(
    image_path: Path, name: str | None = None, title: str | None = None, size: int = 512, number: int = 1
) -> EnrolledFace:
    """Creates a portrait from a face in a photo.

    Args:
        image_path: image file.
        name: name in the library; the file's name by default.
        title: display name.
        size: frame size in pixels.
        number: of the face, from 1, largest first.

    Raises:
        InputError: not an image, or no usable face; the message says why.
    """
    # Only enrolment needs the face tracker; a server that only renders stored portraits never loads it.
    from styletalk_core.rendering.face_mesh import face_triangles
    from styletalk_core.rendering.portrait import photo
    from styletalk_core.rendering.portrait.image_file import load
    from styletalk_core.rendering.portrait.quality import notes_on

    name = name or Path(image_path).stem
    crop = photo.cropped_face(load(Path(image_path)), size, number)
    portrait = Portrait(
        name=name,
        title=title or name.replace("_", " ").replace("-", " ").title(),
        size=size,
        image=crop.image,
        mask=np.round(person_mask(crop.image) * 255).astype(np.uint8),
        landmarks=crop.landmarks,
        triangles=face_triangles(),
    )
    notes = notes_on(crop.image, crop.landmarks, crop.height)
    return EnrolledFace(portrait, crop.faces, tuple(notes))
