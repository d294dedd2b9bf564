"""Speaking styles: up to 256 frames of a person's expression and head, and the library of packaged and added styles.

A style stores coefficients, not the network's style code, so that presets stay valid for a retrained style encoder.

Runs on: any thread; reads and writes small files.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.basel import converted
from styletalk_core.face.face_model import COEFFICIENTS, map_from_weights
from styletalk_core.face.spaces import BFM64, MESH64, Space
from styletalk_core.library.user_library import UserLibrary
from styletalk_core.weights import DEFAULT, checked, chosen, preset_folder

Float = NDArray[np.float32]

POSE: Final = 6
"""Values of a head pose; see `head_pose`."""
STYLE_FRAMES: Final = 256
"""Maximum number of frames at 30 fps read by the style encoder."""
MAX_CLIP_MEGABYTES: Final = 200
"""Maximum size of a video for a new style."""
MAX_INTENSITY: Final = 2.0
"""Maximum intensity: 0 is neutral, 1 the style as recorded."""
EMOTIONS: Final = ("neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted", "contemptuous")
"""Emotion presets in display order; the first is intensity 0."""

_BRIDGED_FRAMES: Final = 3
"""Lost frames, and one, across which a recording counts as one part."""
NEUTRAL: Final = EMOTIONS[0]
"""Preset at intensity 0."""
CONVERSATIONAL: Final = "conversational"
"""Default preset, where the set of weights has it; its head motion is lent to styles whose clip has none."""

StyleKind = Literal["emotion", "manner", "user"]


@dataclass(frozen=True, slots=True)
class Style:
    """A speaking style.

    `coefficients` (L <= 256, 64) float32 and head `pose` (L, 6) float32, zero where unknown, at 30 fps; `starts` (P,)
    the first frame of each part that was recorded without interruption; `posture` (6,) usual pose against that of the
    same person in all moods, zero where unknown; `source` the name of the clip; `frames_used` L; `tracked_share`
    fraction of the clip's frames with a detected face; `motion_energy` RMS deviation of the coefficients from their
    mean, about 1 for lively speech; `space` what the coefficients mean.
    """

    name: str
    coefficients: Float
    pose: Float
    starts: NDArray[np.int32]
    posture: Float
    source: str
    tracked_share: float
    motion_energy: float
    space: Space = MESH64

    @property
    def frames_used(self) -> int:
        return len(self.coefficients)

    def within(self, space: Space) -> "Style":
        """Return the style in coefficients of a space: itself, or as `basel.converted` estimates them."""
        return replace(self, coefficients=converted(self.coefficients, self.space, space), space=space)

    @classmethod
    def of_motion(
        cls,
        name: str,
        coefficients: Float,
        pose: Float,
        valid: NDArray[np.bool_],
        source: str,
        tracked_share: float,
        starts: Sequence[int] = (0,),
        posture: Float | None = None,
    ) -> "Style":
        """Creates a style from the most typical 256 frames of a clip.

        Args:
            name: name of the style.
            coefficients: (T, 64).
            pose: (T, 6) head pose.
            valid: (T,) where a face was found.
            source: name of the clip.
            tracked_share: as in `Style`.
            starts: first frames of clips that were joined.
            posture: (6,) as in `Style`.
        """
        chosen = typical_frames(coefficients, valid)
        part = np.searchsorted(np.asarray(starts), chosen, side="right")
        broken = (np.diff(chosen) > _BRIDGED_FRAMES) | (np.diff(part) > 0)
        made = cls(
            name=name,
            coefficients=coefficients[chosen],
            pose=pose[chosen],
            starts=np.concatenate([[0], np.flatnonzero(broken) + 1]).astype(np.int32),
            posture=np.zeros(POSE, np.float32) if posture is None else posture,
            source=source,
            tracked_share=round(float(tracked_share), 4),
            motion_energy=0.0,
        )
        return made.with_energy()

    def with_energy(self) -> "Style":
        """Return the style with its motion energy measured, in any space as in `mesh64`."""
        moved = self.within(MESH64).coefficients
        return replace(self, motion_energy=round(float(np.sqrt(moved.var(axis=0).mean())), 4))

    def encoded(self) -> bytes:
        """Return the content of a style's file."""
        about = {"source": self.source, "tracked_share": self.tracked_share, "motion_energy": self.motion_energy}
        about |= {"space": self.space, "weights": chosen()}
        # Coefficients of the authors are kept as they are; those of this project are estimates within 1e-3.
        precision = np.float16 if self.space == MESH64 else np.float32
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            coefficients=self.coefficients.astype(precision),
            pose=self.pose.astype(np.float16),
            starts=self.starts,
            posture=self.posture,
            about=json.dumps(about),
        )
        return buffer.getvalue()

    @classmethod
    def decoded(cls, name: str, data: bytes) -> "Style":
        """Decodes a style file, of version 0.1 without a head too; raises one of `DAMAGE` if it is invalid.

        Coefficients of another packaged face model become those of the chosen one for the same faces.
        """
        with np.load(io.BytesIO(data)) as stored:
            about = json.loads(str(stored["about"]))
            coefficients = stored["coefficients"].astype(np.float32)
            frames = len(coefficients)
            if "pose" in stored:
                pose, starts, posture = stored["pose"].astype(np.float32), stored["starts"], stored["posture"]
            else:
                pose, starts, posture = np.zeros((frames, POSE), np.float32), np.zeros(1, np.int32), np.zeros(POSE)
        if coefficients.shape != (frames, COEFFICIENTS) or pose.shape != (frames, POSE) or posture.shape != (POSE,):
            raise ValueError("wrong shape")
        if not (np.isfinite(coefficients).all() and np.isfinite(pose).all() and np.isfinite(posture).all()):
            raise ValueError("wrong values")
        if starts.ndim != 1 or not len(starts) or starts[0] != 0 or (np.diff(starts) < 1).any() or starts[-1] >= frames:
            raise ValueError("wrong parts")
        space, weights = _space(about.get("space", MESH64)), checked(about.get("weights", DEFAULT))
        if space == MESH64 and weights != chosen():
            coefficients = coefficients @ map_from_weights(weights)
        return cls(
            name,
            coefficients,
            pose,
            starts.astype(np.int32),
            posture.astype(np.float32),
            about["source"],
            about["tracked_share"],
            about["motion_energy"],
            space,
        )


def _space(name: str) -> Space:
    """Return a space by name; raises ValueError if there is none."""
    for space in (MESH64, BFM64):
        if name == space:
            return space
    raise ValueError("wrong space")


def typical_frames(coefficients: Float, valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the 256 frames with a face whose mean and spread are closest to those of all frames with a face."""
    frames = np.flatnonzero(valid)
    seen = coefficients[frames]
    if len(seen) <= STYLE_FRAMES:
        return frames
    starts = np.linspace(0, len(seen) - STYLE_FRAMES, min(16, len(seen) - STYLE_FRAMES + 1)).astype(int)
    parts = [seen[start : start + STYLE_FRAMES] for start in starts]
    whole = np.concatenate((seen.mean(axis=0), seen.std(axis=0)))
    distances = [np.linalg.norm(np.concatenate((part.mean(axis=0), part.std(axis=0))) - whole) for part in parts]
    start = int(starts[int(np.argmin(distances))])
    return frames[start : start + STYLE_FRAMES]


class StyleLibrary(UserLibrary[Style]):
    """Library of packaged presets and user-added styles."""

    noun = "style"
    suffix = ".style.npz"

    def __init__(self, user_dir: Path | None) -> None:
        super().__init__(user_dir, preset_folder())

    def encode(self, entry: Style) -> bytes:
        return entry.encoded()

    def decode(self, name: str, data: bytes) -> Style:
        return Style.decoded(name, data)

    def builtin_order(self, name: str) -> tuple[int, str]:
        """Return the sort key: the default, the emotions, starting with "neutral", then the other manners."""
        order = (CONVERSATIONAL, *EMOTIONS)
        return (order.index(name) if name in order else len(order)), name

    def default(self) -> str:
        """Return the name of the style that a call starts with: `CONVERSATIONAL`, or `NEUTRAL` without it."""
        return self.builtin_names()[0]

    def emotions(self) -> list[str]:
        """Return those of `EMOTIONS` that are packaged."""
        packaged = self.builtin_names()
        return [name for name in EMOTIONS if name in packaged]

    def kind(self, name: str) -> StyleKind:
        """Return the kind of a style: packaged emotion or manner, or user-added."""
        if self.is_added(name):
            return "user"
        return "emotion" if name in EMOTIONS else "manner"
