"""Speaking styles: up to 256 frames of somebody's expression, and the library of packaged and added ones.

A style keeps coefficients, not the network's style code: a retrained style encoder reads the same presets.

Runs on: any thread; reads and writes small files.
"""

import json
import zipfile
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face_model import COEFFICIENTS
from styletalk_core.library_file import check_name, existing, stamp

STYLE_FRAMES: Final = 256
"""Frames at 30 fps that the style encoder reads, at most."""
LARGEST_CLIP_MEGABYTES: Final = 200
"""Size of the video that a style may be made of."""
MAX_INTENSITY: Final = 2.0
"""Strongest style: 0 is neutral, 1 the style as it was recorded."""
_SUFFIX: Final = ".style.npz"
EMOTIONS: Final = ("neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted", "contemptuous")
"""The presets that are emotions, in the order to show them; intensity is measured from the first."""

StyleKind = Literal["emotion", "manner", "user"]


@dataclass(frozen=True, slots=True)
class Style:
    """One manner of speaking.

    `coefficients` (L <= 256, 64) float32 at 30 fps; `source` the name of the clip; `frames_used` L; `tracked_share`
    share of the clip's frames in which a face was seen; `motion_energy` root mean square of how far the coefficients
    move about their mean, about 1 for lively speech.
    """

    name: str
    coefficients: NDArray[np.float32]
    source: str
    frames_used: int
    tracked_share: float
    motion_energy: float

    @classmethod
    def of_motion(
        cls, name: str, coefficients: NDArray[np.float32], valid: NDArray[np.bool_], source: str, tracked_share: float
    ) -> "Style":
        """Takes the most typical 256 frames of a clip: coefficients (T, 64) with a face where `valid` (T,)."""
        chosen = typical_part(coefficients, valid)
        energy = float(np.sqrt(chosen.var(axis=0).mean()))
        return cls(name, chosen, source, len(chosen), round(float(tracked_share), 4), round(energy, 4))

    def save(self, path: Path) -> None:
        """Writes one file, whole or not at all."""
        about = {"source": self.source, "tracked_share": self.tracked_share, "motion_energy": self.motion_energy}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, coefficients=self.coefficients.astype(np.float16), about=json.dumps(about))
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Style":
        """Reads what `save` wrote.

        Raises:
            InputError: the file is damaged.
        """
        try:
            with np.load(path) as stored:
                about = json.loads(str(stored["about"]))
                coefficients = stored["coefficients"].astype(np.float32)
            if coefficients.shape != (len(coefficients), COEFFICIENTS) or not np.isfinite(coefficients).all():
                raise ValueError("wrong shape or values")
            name = path.name.removesuffix(_SUFFIX)
            return cls(
                name, coefficients, about["source"], len(coefficients), about["tracked_share"], about["motion_energy"]
            )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"the style {path.name.removesuffix(_SUFFIX)} is damaged: add it again") from error


def typical_part(coefficients: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The 256 frames whose mean and spread are nearest those of all frames with a face; lost frames are left out."""
    seen = coefficients[valid]
    if len(seen) <= STYLE_FRAMES:
        return seen
    starts = np.linspace(0, len(seen) - STYLE_FRAMES, min(16, len(seen) - STYLE_FRAMES + 1)).astype(int)
    parts = [seen[start : start + STYLE_FRAMES] for start in starts]
    whole = np.concatenate((seen.mean(axis=0), seen.std(axis=0)))
    distances = [np.linalg.norm(np.concatenate((part.mean(axis=0), part.std(axis=0))) - whole) for part in parts]
    return parts[int(np.argmin(distances))]


class StyleLibrary:
    """The packaged presets and the styles that a user added; a user's style hides a preset of the same name."""

    def __init__(self, user_dir: Path) -> None:
        self._user_dir = Path(user_dir)
        self._builtin_dir = Path(str(files("styletalk_core") / "presets"))

    def names(self) -> list[str]:
        """Emotions first, "neutral" before all; then manners of speaking; then the user's, each alphabetically."""
        builtin, added = (
            sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob("*" + _SUFFIX))
            for folder in (self._builtin_dir, self._user_dir)
        )
        builtin.sort(key=lambda name: EMOTIONS.index(name) if name in EMOTIONS else len(EMOTIONS))
        return [*builtin, *(name for name in added if name not in builtin)]

    def kind(self, name: str) -> StyleKind:
        """Whether a style is an emotion or a manner from the package, or the user's own."""
        if self._user_path(name).exists():
            return "user"
        return "emotion" if name in EMOTIONS else "manner"

    def get(self, name: str) -> Style:
        """Loads a style.

        Raises:
            InputError: there is none of this name, or its file is damaged.
        """
        if (path := self._path(name)) is not None:
            return Style.load(path)
        raise InputError(f"there is no style called {name!r}; there are: {', '.join(self.names())}")

    def stamp(self, name: str) -> int:
        """Changes when another style is added under this name; 0 where there is none."""
        return stamp(self._path(name))

    def check_name(self, name: str) -> None:
        """Whether a style of this name can be added.

        Raises:
            InputError: the name cannot be used.
        """
        self._user_path(name)

    def add(self, style: Style) -> Path:
        """Stores a user's style and returns its file, replacing one of the same name."""
        path = self._user_path(style.name)
        style.save(path)
        return path

    def remove(self, name: str) -> None:
        """Deletes a user's style.

        Raises:
            InputError: it is a preset, or there is none of this name.
        """
        path = self._user_path(name)
        if not path.is_file():
            reason = "is a preset and cannot be removed" if name in self.names() else "does not exist"
            raise InputError(f"the style {name!r} {reason}")
        path.unlink()

    def _path(self, name: str) -> Path | None:
        return existing((self._user_path(name), self._builtin_dir / (name + _SUFFIX)))

    def _user_path(self, name: str) -> Path:
        check_name(name, "a style")
        return self._user_dir / (name + _SUFFIX)
