"""A portrait keeps its eyes: a style may squint, never shut, and a blink still closes."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.face.eyelids import lid_gaps
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.landmarks import UPPER_LID_LEFT, UPPER_LID_RIGHT
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.rendering.face_mesh import EYES, LANDMARKS
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.portrait.portrait import enrol

DATA = Path(__file__).parents[5] / "shared" / "data" / "portraits"
MODEL = FaceModel.load()
STYLES = StyleLibrary(Path("none"))
STILL, AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)
BUILT_IN = AvatarLibrary(Path("none"))


def renderers() -> list[MeshRenderer]:
    """The built-in presenters, and strangers where there are any: ten altogether."""
    portraits = [BUILT_IN.get(name) for name in BUILT_IN.names()]
    strangers = sorted(DATA.glob("*_0*.jpg"))[: 10 - len(portraits)]
    return [MeshRenderer(portrait, 256) for portrait in [*portraits, *map(enrol, strangers)]]


@pytest.fixture(scope="module")
def ten() -> list[MeshRenderer]:
    return renderers()


def gaps(renderer: MeshRenderer, offsets: np.ndarray, blink: float = 0.0) -> np.ndarray:
    """Lid gaps (2,) of a frame, of those of the portrait."""
    vertices = renderer.scene(offsets, STILL, AHEAD, blink).vertices
    return lid_gaps(vertices[:LANDMARKS]) / lid_gaps(renderer.mesh.vertices[:LANDMARKS])


@pytest.mark.parametrize("name", STYLES.names())
def test_no_preset_shuts_the_eyes_of_a_portrait(ten: list[MeshRenderer], name: str) -> None:
    motion = MODEL.offsets(STYLES.get(name).coefficients[::8])
    for renderer in ten:
        open_ = np.array([gaps(renderer, offsets) for offsets in motion])
        assert open_.min() >= 0.5
        assert open_.max() < 1.25


def test_even_the_strongest_squint_leaves_half_of_the_eye(ten: list[MeshRenderer]) -> None:
    closing = np.zeros((LANDMARKS, 3), np.float32)
    for amount, least, most in ((0.0, 0.97, 1.03), (0.3, 0.6, 0.9), (1.0, 0.5, 0.76), (3.0, 0.5, 1.0)):
        closing[[*UPPER_LID_LEFT, *UPPER_LID_RIGHT], 1] = amount * lid_gaps(MODEL.mean).mean()
        for renderer in ten:
            assert least < gaps(renderer, closing).min() < most


def test_a_wide_open_eye_bares_nothing_below_what_the_photo_shows(ten: list[MeshRenderer]) -> None:
    """The photo does not show the eyeball behind the lower lid; the upper lid rises."""
    motion = MODEL.offsets(STYLES.get("surprised").coefficients[::8])
    for renderer in ten:
        own = renderer.mesh.vertices
        for offsets in motion:
            if gaps(renderer, offsets).min() < 1.1:
                continue
            moved = renderer.scene(offsets, STILL, AHEAD, 0.0).vertices[:, 1] - own[:, 1]
            for eye in EYES:
                assert moved[list(eye.lower_lid[2:7])].mean() < 0.004 * renderer.unit
                assert moved[list(eye.upper_lid[2:7])].mean() < 0


def test_a_blink_closes_every_eye_in_every_style(ten: list[MeshRenderer]) -> None:
    for name in STYLES.names():
        offsets = MODEL.offsets(STYLES.get(name).coefficients[:1])[0]
        for renderer in ten[:3]:
            assert gaps(renderer, offsets, blink=1.0).max() < 0.05
