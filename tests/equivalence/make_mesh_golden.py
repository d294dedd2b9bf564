"""Writes the mesh renderer's golden frames: ``python -m tests.equivalence.make_mesh_golden``.

The files date from before the renderer was compiled; run this again only for an intended change of the frames.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import KEEP, TRANSPARENT, BackgroundLibrary
from styletalk_core.rendering.mesh_renderer import MeshRenderer

FRAMES: Final = Path(__file__).with_name("golden") / "mesh_renderer.npz"
_AVATARS: Final = AvatarLibrary(Path("does-not-exist"))


@dataclass(frozen=True, slots=True)
class Case:
    """One frame: a presenter in lively motion."""

    avatar: str
    size: int
    seed: int
    jaw: float  # coefficient 0, which opens the mouth
    blink: float
    background: str = KEEP

    def motion(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float]:
        """Expression (64,), pose (6,), gaze (2,) and blink."""
        stream = np.random.RandomState(self.seed)
        expression = stream.standard_normal(64)
        expression[0] = self.jaw
        pose = stream.uniform(-1, 1, 6) * [0.12, 0.2, 0.1, 0.05, 0.05, 0.3]
        gaze = stream.uniform(-0.25, 0.25, 2)
        return expression.astype(np.float32), pose.astype(np.float32), gaze.astype(np.float32), self.blink


CASES: Final = (
    Case("clara", 512, 1, 2.5, 0.0),
    Case("malik", 512, 2, 1.0, 0.6),
    Case("clara", 256, 3, 0.0, 1.0),
    Case("clara", 256, 4, 3.0, 0.3, "evening"),
    Case("amara", 256, 5, 2.0, 0.0, "#00b140"),
    Case("kenji", 256, 6, 1.5, 0.5),
    Case("kenji", 256, 7, -1.0, 0.0, TRANSPARENT),
    Case("marcus", 256, 8, 2.5, 0.15, "studio"),
)


def rendered(case: Case, renderers: dict[tuple[str, int], Any]) -> NDArray[np.uint8]:
    """Draws one frame, yuv420p; ``renderers`` keeps what was built."""
    key = case.avatar, case.size
    if key not in renderers:
        renderers[key] = MeshRenderer(_AVATARS.get(case.avatar), case.size)
    renderer = renderers[key]
    behind = BackgroundLibrary(None).behind(case.background, renderer.background)
    picture = renderer.render_with_alpha(*case.motion()) if behind is None else renderer.render(*case.motion(), behind)
    return np.asarray(picture, np.uint8)


def main() -> None:
    """Writes the frames, each as a grey PNG of its planes."""
    renderers: dict[tuple[str, int], Any] = {}
    images = [rendered(case, renderers) for case in CASES]
    np.savez(FRAMES, **{f"frame_{k}": cv2.imencode(".png", image)[1] for k, image in enumerate(images)})  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
