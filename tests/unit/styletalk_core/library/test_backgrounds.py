"""The person looks the same on every background, and unusable backgrounds are rejected."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from styletalk_core.errors import InputError
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import BackgroundImage, BackgroundLibrary
from styletalk_core.rendering.mesh_renderer import MeshRenderer

SIZE = 256
MOTION = (np.zeros(64, np.float32), np.zeros(6, np.float32), np.zeros(2, np.float32), 0.0)
CORNER = (slice(2, 20), slice(2, 12))
FACE = (slice(100, 140), slice(110, 146))


@pytest.fixture(scope="module")
def renderer() -> MeshRenderer:
    return MeshRenderer(AvatarLibrary(Path("does-not-exist")).get("malik"), SIZE)


@pytest.fixture
def library(tmp_path: Path) -> BackgroundLibrary:
    return BackgroundLibrary(tmp_path / "backgrounds")


def test_the_person_is_the_same_before_every_background(renderer: MeshRenderer, library: BackgroundLibrary) -> None:
    kept = renderer.render_rgb(*MOTION)
    for entry in library.entries():
        behind = library.behind(entry.name, renderer.background)
        if behind is None:
            continue
        image = renderer.render_rgb(*MOTION, behind)
        assert np.array_equal(image[FACE], kept[FACE])
        assert np.abs(image[CORNER].astype(int) - behind[CORNER]).max() <= 1
        assert np.array_equal(image, kept) == (entry.name == "keep")


def test_any_colour_can_be_had(renderer: MeshRenderer, library: BackgroundLibrary) -> None:
    behind = library.behind("#3050F0", renderer.background)
    assert behind is not None and (behind == [0x30, 0x50, 0xF0]).all()


def test_transparency_puts_the_mask_below_the_person(renderer: MeshRenderer, library: BackgroundLibrary) -> None:
    """Composited over a colour by its mask, the transparent frame equals one rendered over that colour."""
    assert library.behind("transparent", renderer.background) is None
    stacked = renderer.render_with_alpha(*MOTION)
    assert stacked.shape == (SIZE * 3, SIZE)
    rgb = cv2.cvtColor(stacked, cv2.COLOR_YUV2RGB_I420).astype(np.float32)
    person, alpha = rgb[:SIZE], rgb[SIZE:] / 255
    green = library.behind("#00b140", renderer.background)
    assert green is not None
    laid = person * alpha + green * (1 - alpha)
    assert np.abs(laid - renderer.render_rgb(*MOTION, green)).mean() < 2
    assert alpha[CORNER].max() < 0.02 and alpha[FACE].min() > 0.98


def test_an_added_image_is_listed_shown_and_removed(
    renderer: MeshRenderer, library: BackgroundLibrary, tmp_path: Path
) -> None:
    wide = np.zeros((300, 500, 3), np.uint8)
    wide[:, 100:400] = (200, 40, 90)  # the square in the middle
    Image.fromarray(wide).save(tmp_path / "wall.png")
    library.add(BackgroundImage.of(tmp_path / "wall.png", "my_wall"))
    assert ("my_wall", "My wall", "user") in {(e.name, e.title, e.kind) for e in library.entries()}
    behind = library.behind("my_wall", renderer.background)
    assert behind is not None and behind.shape == (SIZE, SIZE, 3)
    assert np.abs(behind.astype(int) - [200, 40, 90]).max() < 8
    library.remove("my_wall")
    with pytest.raises(InputError, match="my_wall"):
        library.check("my_wall")


@pytest.mark.parametrize("name", ["", "beach", "../keep", "#12345", "#12345g", "a" * 41])
def test_an_unknown_background_is_refused(library: BackgroundLibrary, name: str) -> None:
    with pytest.raises(InputError, match="no background called"):
        library.check(name)


@pytest.mark.parametrize("name", ["keep", "studio", "two words", "../up"])
def test_a_name_that_is_taken_or_impossible_is_refused(library: BackgroundLibrary, name: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="not a name"):
        library.add(BackgroundImage.of(tmp_path / "a.png", name))
