"""Blendshapes and visemes follow the expression, stay in range, and rest at rest."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.face.arkit import ARKIT, VISEMES, FaceDriver, viseme_of_phones
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.phones import PHONES


@pytest.fixture(scope="module")
def driver() -> FaceDriver:
    return FaceDriver()


def preset(name: str) -> np.ndarray:
    return StyleLibrary(Path("none")).get(name).coefficients


def value(blendshapes: np.ndarray, *names: str) -> float:
    return float(np.mean([blendshapes[:, ARKIT.index(name)].mean() for name in names]))


def test_there_are_52_shapes_and_15_visemes() -> None:
    assert len(set(ARKIT)) == 52
    assert len(set(VISEMES)) == 15
    visemes = viseme_of_phones()
    assert len(visemes) == len(PHONES)
    assert VISEMES[visemes[PHONES.index("M")]] == "PP"


def test_neutral_face_rests(driver: FaceDriver) -> None:
    still = np.zeros((1, 64), np.float32)
    assert not driver.blendshapes(still).any()
    assert driver.visemes(still)[0] == pytest.approx(np.eye(15)[0])


def test_expressions_raise_their_own_shapes(driver: FaceDriver) -> None:
    happy, angry, surprised = (driver.blendshapes(preset(name)) for name in ("happy", "angry", "surprised"))
    smile, brow = ("mouthSmileLeft", "mouthSmileRight"), ("browDownLeft", "browDownRight")
    assert value(happy, *smile) > value(angry, *smile) + 0.05
    assert value(angry, *brow) > value(surprised, *brow)
    assert value(surprised, "browInnerUp") > value(angry, "browInnerUp")


def test_jaw_opens_with_the_mouth(driver: FaceDriver) -> None:
    coefficients = np.zeros((5, 64), np.float32)
    coefficients[:, 0] = np.arange(5)
    jaw = driver.blendshapes(coefficients)[:, ARKIT.index("jawOpen")]
    assert (np.diff(jaw) > 0).all()


def test_values_stay_in_range_for_wild_expressions(driver: FaceDriver) -> None:
    wild = np.random.default_rng(0).normal(0, 8, (50, 64)).astype(np.float32)
    values, visemes = driver.blendshapes(wild), driver.visemes(wild)
    assert values.shape == (50, 52)
    assert 0 <= values.min() <= values.max() <= 1
    assert 0 <= visemes.min() <= visemes.max() <= 1
    assert visemes.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-5)


def test_gaze_and_blink_are_added(driver: FaceDriver) -> None:
    """A look to the image's right turns the person's left eye outwards and the right one inwards."""
    values = driver.blendshapes(np.zeros((1, 64), np.float32), np.array([[0.25, -0.5]], np.float32), np.array([0.7]))[0]
    shape = dict(zip(ARKIT, values, strict=True))
    assert shape["eyeLookOutLeft"] == shape["eyeLookInRight"] == pytest.approx(0.5)
    assert shape["eyeLookOutRight"] == shape["eyeLookInLeft"] == shape["eyeLookDownLeft"] == 0
    assert shape["eyeLookUpLeft"] == shape["eyeLookUpRight"] == pytest.approx(1)
    assert shape["eyeBlinkLeft"] == shape["eyeBlinkRight"] == pytest.approx(0.7)


def test_viseme_shapes_are_recognized(driver: FaceDriver) -> None:
    shapes = np.zeros((len(VISEMES), 64), np.float32)
    shapes[:, :13] = driver._shapes
    assert (driver.visemes(shapes).argmax(axis=1) == np.arange(len(VISEMES))).all()
