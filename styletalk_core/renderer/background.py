"""What stands behind the person: the photo's own background, a blur of it, a colour, a picture, or nothing.

A background is named by one word, so that it fits into an option, a message or a setting: `KEEP`, `BLUR`,
`TRANSPARENT`, a colour such as ``#2b3a4a``, or the name of a picture, drawn here or added by the user.
Runs on: any thread, when a background is chosen; nothing here runs per frame.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.renderer.arrays import Float, Image
from styletalk_core.renderer.picture import load

KEEP: Final = "keep"
BLUR: Final = "blur"
TRANSPARENT: Final = "transparent"
SUGGESTED: Final = {"#20262e": "Slate", "#e8e4dc": "Linen", "#00b140": "Green screen"}
"""Colours that a list offers; every other ``#rrggbb`` works as well."""

_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_BLUR: Final = 1 / 22
"""Standard deviation of the blur in sides of the picture."""
_STORED_SIDE: Final = 1024
"""Side of a stored picture, px."""
_LIGHTS: Final = 46


@dataclass(frozen=True, slots=True)
class BackgroundEntry:
    """One choice; ``kind`` is "keep", "blur", "transparent", "color", "picture", or "user" for an added picture."""

    name: str
    title: str
    kind: str


class BackgroundLibrary:
    """Every background there is: the general ones, the drawn pictures and the user's own."""

    def __init__(self, user_dir: Path | None) -> None:
        """``user_dir`` holds what the user has added; it need not exist."""
        self._user_dir = user_dir

    def entries(self) -> list[BackgroundEntry]:
        """In the order to show them."""
        return [
            BackgroundEntry(KEEP, "As in the photo", "keep"),
            BackgroundEntry(BLUR, "Blurred", "blur"),
            *(BackgroundEntry(name, name.capitalize(), "picture") for name in _DRAWN),
            *(BackgroundEntry(name, name.replace("_", " ").capitalize(), "user") for name in self._added()),
            *(BackgroundEntry(color, title, "color") for color, title in SUGGESTED.items()),
            BackgroundEntry(TRANSPARENT, "Transparent", "transparent"),
        ]

    def check(self, name: str) -> None:
        """Makes sure that ``name`` can be shown.

        Raises:
            InputError: there is no such background.
        """
        known = name in (KEEP, BLUR, TRANSPARENT, *_DRAWN) or _COLOR.fullmatch(name)
        if not known and name not in self._added():
            names = ", ".join(entry.name for entry in self.entries() if entry.kind != "color")
            raise InputError(f"there is no background called {name!r}; there are: {names}, and colours as #2b3a4a")

    def behind(self, name: str, own: Image) -> Image | None:
        """The picture (S, S, 3) behind a person whose own background is ``own`` (S, S, 3); None for transparency.

        Raises:
            InputError: there is no such background.
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
        return _covering(load(self._path(name)), side)

    def check_name(self, name: str) -> None:
        """Makes sure that a picture can be added under ``name``.

        Raises:
            InputError: it cannot.
        """
        if not _NAME.fullmatch(name) or name in (KEEP, BLUR, TRANSPARENT, *_DRAWN):
            raise InputError(f"{name!r} is not a name for a new background: use letters, digits, '-' and '_'")

    def add(self, name: str, picture: Path) -> None:
        """Stores a picture under ``name``, replacing one of the same name.

        Raises:
            InputError: no name for a picture, or not a picture.
        """
        self.check_name(name)
        stored = cv2.cvtColor(_covering(load(picture), _STORED_SIDE), cv2.COLOR_RGB2BGR)
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
        unfinished.replace(path)

    def remove(self, name: str) -> None:
        """Deletes a user's picture.

        Raises:
            InputError: there is none of this name.
        """
        if name not in self._added():
            raise InputError(f"there is no background called {name!r} that was added")
        self._path(name).unlink()

    def _added(self) -> list[str]:
        return [] if self._user_dir is None else sorted(path.stem for path in self._user_dir.glob("*.jpg"))

    def _path(self, name: str) -> Path:
        if self._user_dir is None:
            raise InputError("there is no folder for backgrounds")
        return self._user_dir / f"{name}.jpg"


def _covering(picture: Image, side: int) -> Image:
    """The largest square in the middle of (H, W, 3), resized to (side, side, 3)."""
    square = min(picture.shape[:2])
    top, left = ((length - square) // 2 for length in picture.shape[:2])
    crop = picture[top : top + square, left : left + square]
    method = cv2.INTER_AREA if square > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (side, side), interpolation=method), np.uint8)


@lru_cache(maxsize=4)
def _studio(side: int) -> Image:
    """A grey-blue studio wall, lit from one side."""
    x, y = _plane(side)
    light = np.exp(-((x - 0.36) ** 2 + (y - 0.40) ** 2) / 0.30)[..., None]
    wall = np.array([58, 64, 74], np.float32) + light * np.array([104, 106, 106], np.float32)
    return _dithered(wall)


@lru_cache(maxsize=4)
def _evening(side: int) -> Image:
    """The lights of a street at dusk, far out of focus."""
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
    """Positions (x, y), each (side, side), 0 .. 1."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    return x, y


def _dithered(picture: Float) -> Image:
    """Rounds (H, W, 3) with a grain that hides the steps of its gradients."""
    grain = np.random.default_rng(0).uniform(-0.5, 0.5, picture.shape[:2])[..., None]
    return np.asarray((picture + grain).round().clip(0, 255), np.uint8)


_DRAWN: Final = {"studio": _studio, "evening": _evening}
