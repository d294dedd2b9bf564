"""The packaged styles are of training people only, and each has a valid length."""

from pathlib import Path

import pytest

from styletalk_core.errors import InputError
from styletalk_core.face.arkit import ARKIT
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.dataset import VideoClip
from styletalk_core.lab.training.composed_styles import RECIPES, composed
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.lab.training.posing import Posing
from styletalk_core.lab.training.presets import PRESETS, make_preset
from styletalk_core.library.styles import EMOTIONS, STYLE_FRAMES, StyleLibrary


def test_every_preset_of_the_recipe_is_packaged() -> None:
    library = StyleLibrary(Path("none"))
    assert set(library.names()) == set(PRESETS) >= set(EMOTIONS)
    for name, sources in PRESETS.items():
        style = library.get(name)
        assert 30 <= style.frames_used <= STYLE_FRAMES
        assert all(source in style.source for source in sources)


def test_free_presets_are_those_of_the_default_and_of_actions_that_there_are() -> None:
    assert set(RECIPES) == set(PRESETS)
    for recipe in RECIPES.values():
        for action in recipe.actions:
            assert any(name in (action, f"{action}Left", f"{action}Right") for name in ARKIT), action


def test_a_composed_style_shows_its_expression_and_says_so() -> None:
    model = FaceModel.load()
    lips, neutral = LipMap.of(model), StyleLibrary(Path("none")).get("neutral")
    happy, sad = (composed(neutral, RECIPES[name], Posing(model, lips)) for name in ("happy", "sad"))
    corners = [lips.articulated(style.coefficients).mean(axis=0)[2] for style in (sad, neutral, happy)]
    assert corners == sorted(corners)
    assert "drawn expression" in happy.source and happy.frames_used == neutral.frames_used


@pytest.mark.parametrize("split", ["dev", "test"])
def test_no_preset_is_made_of_a_person_held_out(split: str, tmp_path: Path) -> None:
    clip = VideoClip("someone", tmp_path / "a.mp4", split, "MEAD", "someone", "happy", False, "", "")
    with pytest.raises(InputError, match="tracked and in the train split"):
        make_preset("happy", [clip], [clip], tmp_path, FaceModel.load())
