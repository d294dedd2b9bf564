"""Speaking styles: up to 256 frames of a person's expression, and the library of packaged and user-added styles.

A style stores coefficients, not the network's style code, so that presets stay valid for a retrained style encoder.

Runs on: any thread; reads and writes small files.
"""

import io
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.face_model import COEFFICIENTS
from styletalk_core.library.user_library import UserLibrary

STYLE_FRAMES: Final = 256
"""Maximum number of frames at 30 fps read by the style encoder."""
MAX_CLIP_MEGABYTES: Final = 200
"""Maximum size of a video for a new style."""
MAX_INTENSITY: Final = 2.0
"""Maximum intensity: 0 is neutral, 1 the style as recorded."""
EMOTIONS: Final = ("neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted", "contemptuous")
"""Emotion presets in display order; the first is intensity 0."""

StyleKind = Literal["emotion", "manner", "user"]


@dataclass(frozen=True, slots=True)
class Style:
    """A speaking style.

    `coefficients` (L <= 256, 64) float32 at 30 fps; `source` the name of the clip; `frames_used` L; `tracked_share`
    fraction of the clip's frames with a detected face; `motion_energy` RMS deviation of the coefficients from their
    mean, about 1 for lively speech.
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
        """Creates a style from the most typical 256 frames of a clip: coefficients (T, 64), face where `valid` (T,)."""
        chosen = typical_part(coefficients, valid)
        energy = float(np.sqrt(chosen.var(axis=0).mean()))
        return cls(name, chosen, source, len(chosen), round(float(tracked_share), 4), round(energy, 4))

    def encoded(self) -> bytes:
        """Return the content of a style's file."""
        about = {"source": self.source, "tracked_share": self.tracked_share, "motion_energy": self.motion_energy}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, coefficients=self.coefficients.astype(np.float16), about=json.dumps(about))
        return buffer.getvalue()

    @classmethod
    def decoded(cls, name: str, data: bytes) -> "Style":
        """Decodes a style file; raises one of `DAMAGE` if it is invalid."""
        with np.load(io.BytesIO(data)) as stored:
            about = json.loads(str(stored["about"]))
            coefficients = stored["coefficients"].astype(np.float32)
        if coefficients.shape != (len(coefficients), COEFFICIENTS) or not np.isfinite(coefficients).all():
            raise ValueError("wrong shape or values")
        frames = len(coefficients)
        return cls(name, coefficients, about["source"], frames, about["tracked_share"], about["motion_energy"])


def typical_part(coefficients: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the 256 frames whose mean and spread are closest to those of all frames with a face."""
    seen = coefficients[valid]
    if len(seen) <= STYLE_FRAMES:
        return seen
    starts = np.linspace(0, len(seen) - STYLE_FRAMES, min(16, len(seen) - STYLE_FRAMES + 1)).astype(int)
    parts = [seen[start : start + STYLE_FRAMES] for start in starts]
    whole = np.concatenate((seen.mean(axis=0), seen.std(axis=0)))
    distances = [np.linalg.norm(np.concatenate((part.mean(axis=0), part.std(axis=0))) - whole) for part in parts]
    return parts[int(np.argmin(distances))]


class StyleLibrary(UserLibrary[Style]):
    """Library of packaged presets and user-added styles."""

    noun = "style"
    suffix = ".style.npz"

    def __init__(self, user_dir: Path | None) -> None:
        super().__init__(user_dir, Path(str(files("styletalk_core") / "presets")))

    def encode(self, entry: Style) -> bytes:
        return entry.encoded()

    def decode(self, name: str, data: bytes) -> Style:
        return Style.decoded(name, data)

    def builtin_order(self, name: str) -> tuple[int, str]:
        """Return the sort key: emotions first, starting with "neutral", then manners of speaking."""
        return (EMOTIONS.index(name) if name in EMOTIONS else len(EMOTIONS)), name

    def kind(self, name: str) -> StyleKind:
        """Return the kind of a style: packaged emotion or manner, or user-added."""
        if self.is_added(name):
            return "user"
        return "emotion" if name in EMOTIONS else "manner"
