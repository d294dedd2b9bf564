"""Backgrounds: the photo's own, blurred, a solid colour, an image, or transparent.

A background is identified by a single word: `KEEP`, `BLUR`, `TRANSPARENT`, a colour such as ``#2b3a4a``, or the name of
an image, generated here or added by the user.
Runs on: any thread, when a background is chosen; nothing here runs per frame.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import NotFound
from styletalk_core.library.user_library import UserLibrary
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.portrait.image_file import load

KEEP: Final = "keep"
BLUR: Final = "blur"
TRANSPARENT: Final = "transparent"
SUGGESTED: Final = {"#20262e": "Slate", "#e8e4dc": "Linen", "#00b140": "Green screen"}
"""Suggested colours; any other ``#rrggbb`` works as well."""

_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_BLUR: Final = 1 / 22
"""Standard deviation of the blur, as a fraction of the image side."""
_STORED_SIDE: Final = 1024
"""Side of a stored image in pixels."""
_LIGHTS: Final = 46


@dataclass(frozen=True, slots=True)
class BackgroundEntry:
    """List entry; ``kind`` is "keep", "blur", "transparent", "color", "picture", or "user" for an added image."""

    name: str
    title: str
    kind: str


@dataclass(frozen=True, slots=True)
class BackgroundImage:
    """User-added background image."""

    name: str
    rgb: Image  # (S, S, 3)

    @classmethod
    def of(cls, path: Path, name: str) -> "BackgroundImage":
        """Loads the central square of an image file.

        Raises:
            InputError: the file is not an image.
        """
        return cls(name, _covering(load(path), _STORED_SIDE))


class BackgroundLibrary(UserLibrary[BackgroundImage]):
    """Library of all backgrounds: general, generated and user-added."""

    noun = "background"
    suffix = ".jpg"

    def encode(self, entry: BackgroundImage) -> bytes:
        bgr = cv2.cvtColor(entry.rgb, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()

    def decode(self, name: str, data: bytes) -> BackgroundImage:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if bgr is None:
            raise ValueError("not an image")
        return BackgroundImage(name, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8))

    def is_reserved(self, name: str) -> bool:
        return name in (KEEP, BLUR, TRANSPARENT, *_DRAWN)

    def entries(self) -> list[BackgroundEntry]:
        """Return all backgrounds in display order."""
        return [
            BackgroundEntry(KEEP, "As in the photo", "keep"),
            BackgroundEntry(BLUR, "Blurred", "blur"),
            *(BackgroundEntry(name, name.capitalize(), "picture") for name in _DRAWN),
            *(BackgroundEntry(name, name.replace("_", " ").capitalize(), "user") for name in self.added_names()),
            *(BackgroundEntry(color, title, "color") for color, title in SUGGESTED.items()),
            BackgroundEntry(TRANSPARENT, "Transparent", "transparent"),
        ]

    def names(self) -> list[str]:
        """Return the names of all backgrounds except colours, in display order."""
        return [entry.name for entry in self.entries() if entry.kind != "color"]

    def check(self, name: str) -> None:
        """Checks that a background exists.

        Raises:
            NotFound: there is no such background.
        """
        if not _COLOR.fullmatch(name) and name not in self.names():
            names = ", ".join(self.names())
            raise NotFound(f"there is no background called {name!r}; there are: {names}, and colours as #2b3a4a")

    def behind(self, name: str, own: Image) -> Image | None:
        """Return the image (S, S, 3) behind a person; ``own`` (S, S, 3) is the photo's background. None: transparent.

        Raises:
            NotFound: there is no such background.
        """
        self.check(name)
        side = own.shape[0]
        if name == KEEP:
            return own
        if name == BLUR:
            return np.asarray(cv2.GaussianBlur(own, (0, 0), _BLUR * side, borderType=cv2.BORDER_REPLICATE), np.uint8)
        if name == TRANSPARENT:
            return None
        if _COLOR.fullmatch(name):
            color = np.array([int(name[k : k + 2], 16) for k in (1, 3, 5)], np.uint8)
            return np.full((side, side, 3), color)
        if name in _DRAWN:
            return _DRAWN[name](side)
        return _covering(self.get(name).rgb, side)


def _covering(image: Image, side: int) -> Image:
    """Return the largest central square of (H, W, 3), resized to (side, side, 3)."""
    square = min(image.shape[:2])
    top, left = ((length - square) // 2 for length in image.shape[:2])
    crop = image[top : top + square, left : left + square]
    method = cv2.INTER_AREA if square > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (side, side), interpolation=method), np.uint8)


@lru_cache(maxsize=4)
def _studio(side: int) -> Image:
    """Generates a grey-blue studio wall, lit from one side."""
    x, y = _plane(side)
    light = np.exp(-((x - 0.36) ** 2 + (y - 0.40) ** 2) / 0.30)[..., None]
    wall = np.array([58, 64, 74], np.float32) + light * np.array([104, 106, 106], np.float32)
    return _dithered(wall)


@lru_cache(maxsize=4)
def _evening(side: int) -> Image:
    """Generates out-of-focus street lights at dusk."""
    generator = np.random.default_rng(5)
    x, y = _plane(side)
    sky = np.array([36, 40, 66], np.float32) + y[..., None] * np.array([34, 18, 2], np.float32)
    palette = np.array([[255, 196, 120], [255, 150, 90], [190, 205, 255], [255, 110, 96]], np.float32)
    for _ in range(_LIGHTS):
        center = generator.uniform([0, 0.18], [1, 0.95])
        radius = generator.uniform(0.018, 0.062)
        distance = np.hypot(x - center[0], y - center[1]) / radius
        disc = np.clip((1.08 - distance) / 0.16, 0, 1) * (0.72 + 0.28 * np.clip(distance, 0, 1) ** 4)
        sky += disc[..., None] * palette[generator.integers(len(palette))] * generator.uniform(0.08, 0.34)
    return _dithered(cv2.GaussianBlur(sky, (0, 0), 0.006 * side))


def _plane(side: int) -> tuple[Float, Float]:
    """Return pixel positions x and y, each (side, side), 0 .. 1."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    return x, y


def _dithered(image: Float) -> Image:
    """Quantises (H, W, 3) with dithering, to hide banding in gradients."""
    grain = np.random.default_rng(0).uniform(-0.5, 0.5, image.shape[:2])[..., None]
    return np.asarray((image + grain).round().clip(0, 255), np.uint8)


_DRAWN: Final = {"studio": _studio, "evening": _evening}
