"""The engine uses the requested style: one, a blend of several, or a cross-fade between two."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from styletalk_core.engine import ModelEngine
from styletalk_core.errors import InputError
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import Style, StyleLibrary
from styletalk_core.library.teeth import with_teeth
from styletalk_core.phones import PHONES, WINDOW

SLOT = 3
SENTENCE = np.random.default_rng(0).integers(0, len(PHONES), 40)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> ModelEngine:
    home = tmp_path_factory.mktemp("home")
    return ModelEngine(AvatarLibrary(home / "avatars"), StyleLibrary(home / "styles"), size=256)


@pytest.fixture(autouse=True)
def slot(engine: ModelEngine) -> Iterator[None]:
    engine.open(SLOT, "clara", "neutral", 1.0)
    yield
    engine.close(SLOT)


def spoken(engine: ModelEngine, style: str | Mapping[str, float], fade_s: float = 0.0, frames: int = 30) -> np.ndarray:
    """(frames, 64) expressions of the same sentence; with ``fade_s`` 0 all but the first are in the style alone."""
    engine.set_style(SLOT, style, 1.0, fade_s)
    windows = np.eye(len(PHONES), dtype=np.float32)[[SENTENCE[at : at + WINDOW] for at in range(30)]]
    return np.concatenate([engine.decode([SLOT], windows[at % 30][None]) for at in range(frames)])


def test_a_blend_moves_the_face_between_its_styles(engine: ModelEngine) -> None:
    happy, angry = spoken(engine, "happy"), spoken(engine, "angry")
    apart = np.linalg.norm(happy.mean(0) - angry.mean(0))
    previous = 0.0
    for share in (0.25, 0.5, 0.75):
        mean = spoken(engine, {"angry": share, "happy": 1 - share}).mean(0)
        way = (mean - happy.mean(0)) @ (angry.mean(0) - happy.mean(0)) / apart**2
        assert previous + 0.05 < way < 1, share
        previous = way
    assert spoken(engine, {"happy": 1.0})[1:] == pytest.approx(happy[1:], abs=1e-5)


def test_a_background_stays_through_a_change_of_avatar(engine: ModelEngine) -> None:
    still = [np.zeros((1, *shape), np.float32) for shape in ((64,), (6,), (2,), ())]
    engine.set_background(SLOT, "#000000")
    engine.set_avatar(SLOT, "malik")
    assert engine.render([SLOT], *still)[0][:20, :20].max() <= 17
    engine.set_background(SLOT, "keep")
    assert engine.render([SLOT], *still)[0][:20, :20].min() > 60
    engine.set_background(SLOT, "transparent")
    assert engine.render([SLOT], *still)[0].shape == (3 * 256, 256)
    with pytest.raises(InputError, match="moon"):
        engine.set_background(SLOT, "moon")


def test_a_blend_is_faded_in(engine: ModelEngine) -> None:
    """The first frame is nearly the old face, and no step is larger than a few of the sixteen frames' share.

    What is kept of the frame before ends a frame after the fade.
    """
    before = spoken(engine, "neutral", frames=1)[0]
    engine.set_style(SLOT, {"surprised": 0.5, "happy": 0.5}, 1.0, 0.5)
    window = np.eye(len(PHONES), dtype=np.float32)[SENTENCE[:WINDOW]][None]
    faces = np.concatenate([before[None], *(engine.decode([SLOT], window) for _ in range(20))])
    steps = np.linalg.norm(np.diff(faces, axis=0), axis=1)
    assert steps[:15].max() < 0.35 * np.linalg.norm(faces[-1] - before)
    assert steps[17:].max() == pytest.approx(0, abs=1e-5)


def test_every_style_has_a_place_and_a_code_of_its_own_motion(engine: ModelEngine, tmp_path: Path) -> None:
    styles = StyleLibrary(tmp_path)
    mine = ModelEngine(AvatarLibrary(tmp_path), styles, size=256)
    assert [place.name for place in mine.style_map()] == styles.names()
    happy = {place.name: (place.x, place.y) for place in mine.style_map()}["happy"]
    motion = styles.get("sad").coefficients
    styles.add(Style.of_motion("happy", motion, motion[:, :6], np.ones(len(motion), bool), "sad.mp4", 1.0))
    places = {place.name: (place.x, place.y) for place in mine.style_map()}
    assert places["happy"] == pytest.approx(places["sad"], abs=0.02)
    assert places["happy"] != pytest.approx(happy, abs=0.1)
    (tmp_path / "broken.style.npz").write_bytes(b"nothing")
    assert "broken" not in {place.name for place in mine.style_map()}


def test_a_blend_of_an_unknown_style_is_refused(engine: ModelEngine) -> None:
    with pytest.raises(InputError, match="no style called 'nobody'"):
        engine.set_style(SLOT, {"happy": 0.5, "nobody": 0.5}, 1.0, 0.5)


def test_after_the_warm_up_no_packaged_avatar_has_to_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avatars = AvatarLibrary(tmp_path)
    warm = ModelEngine(avatars, StyleLibrary(tmp_path), size=256)
    warm.warmup()

    def build(*_: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr("styletalk_core.engine.MeshRenderer", build)
    for avatar in avatars.names():
        warm.prepare(avatar)


def test_a_slot_changes_its_size_and_keeps_the_rest(engine: ModelEngine) -> None:
    still = [np.zeros((2, *shape), np.float32) for shape in ((64,), (6,), (2,), ())]
    engine.open(SLOT + 1, "clara", "neutral", 1.0, "#000000", 384)
    try:
        engine.set_background(SLOT, "#000000")
        small, large = engine.render([SLOT, SLOT + 1], *still)
        assert (small.shape, large.shape) == ((384, 256), (576, 384))
        engine.prepare("clara", 384)
        engine.set_size(SLOT, 384)
        np.testing.assert_array_equal(engine.render([SLOT, SLOT + 1], *still)[0], large)
        engine.set_avatar(SLOT, "malik")
        assert engine.render([SLOT, SLOT + 1], *still)[0].shape == (576, 384)
    finally:
        engine.close(SLOT + 1)


def test_new_teeth_show_once_a_session_sets_its_avatar_again(tmp_path: Path) -> None:
    """Until then the avatar is drawn as it was."""
    avatars = AvatarLibrary(tmp_path)
    plain = replace(avatars.get("clara"), name="mine")
    engine = ModelEngine(avatars, StyleLibrary(tmp_path), size=256)
    wide_open = np.eye(1, 64, dtype=np.float32) * 6  # coefficient 0 opens the mouth
    still = [np.zeros((1, *shape), np.float32) for shape in ((6,), (2,), ())]

    def shown(slot: int) -> np.ndarray:
        return engine.render([slot], wide_open, *still)[0][:256].astype(int)

    avatars.add(with_teeth(plain, 1))
    engine.open(SLOT, "mine", "neutral", 1.0, "#000000")
    before = shown(SLOT)
    avatars.add(with_teeth(plain, 3))
    np.testing.assert_array_equal(shown(SLOT), before)
    engine.prepare("mine")
    engine.set_avatar(SLOT, "mine")
    after = shown(SLOT)
    assert np.abs(after - before).max() > 30
    engine.open(SLOT + 1, "mine", "neutral", 1.0, "#000000")
    np.testing.assert_array_equal(shown(SLOT + 1), after)
