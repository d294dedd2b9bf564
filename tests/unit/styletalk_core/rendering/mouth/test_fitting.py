"""A drawn mouth takes the place and the light of its parts from a photo that shows them."""

import numpy as np
import pytest

from styletalk_core.rendering.mouth.anatomy import MouthAnatomy
from styletalk_core.rendering.mouth.fitting import MouthView, fit
from styletalk_core.rendering.mouth.teeth_bank import bank

PIXEL = 0.01
HEIGHT, WIDTH = 20, 46
ROWS = bank()[0]
ANATOMY = MouthAnatomy(PIXEL, ROWS, ROWS.as_lower())
COLORS = np.array([[40, 18, 15], [150, 95, 95], [175, 160, 145], [205, 190, 172]], np.float32)


@pytest.fixture
def view() -> MouthView:
    """A mouth open by 0.16 inter-ocular distances, the jaw dropped by half of it."""
    visible = np.zeros((HEIGHT, WIDTH), np.float32)
    visible[2:-2, 3:-3] = 1
    places = np.array([[PIXEL, 0, -WIDTH / 2 * PIXEL], [0, PIXEL, -0.08]], np.float32)
    lips = np.stack([np.full(WIDTH, 2.0), np.full(WIDTH, HEIGHT - 2.0)])
    return MouthView(visible, places, lips, PIXEL, np.array([0, 0.08], np.float32))


@pytest.mark.parametrize(("upper", "lower", "light"), [(0.045, -0.03, 1.1), (-0.015, 0.0, 0.7), (0.0, -0.045, 1.0)])
def test_rows_and_light_of_a_photo_are_found(view: MouthView, upper: float, lower: float, light: float) -> None:
    shown = ANATOMY.moved(upper, lower, 1.0)
    photo = view.painted(shown, COLORS * np.float32(light))
    fitted = fit(ANATOMY, view, photo, COLORS, upper_fixed=False, lower_fixed=False)
    usual = np.abs(view.painted(ANATOMY, COLORS) - photo).mean()
    again = np.abs(view.painted(fitted.anatomy, COLORS * fitted.light) - photo).mean()
    assert again < 0.35 * usual
    assert fitted.light[-1].mean() == pytest.approx(light, abs=0.1)


def test_a_row_of_the_photo_itself_stays_where_it_is(view: MouthView) -> None:
    photo = view.painted(ANATOMY.moved(0.045, -0.03, 1.0), COLORS)
    fitted = fit(ANATOMY, view, photo, COLORS, upper_fixed=True, lower_fixed=True)
    np.testing.assert_array_equal(view.painted(fitted.anatomy, COLORS), view.painted(ANATOMY, COLORS))


def test_no_colour_of_the_photo_but_warm_or_cold_light_enters_the_mouth(view: MouthView) -> None:
    green = view.painted(ANATOMY, COLORS) * np.array([0.4, 1.4, 0.5], np.float32)
    fitted = fit(ANATOMY, view, green, COLORS, upper_fixed=False, lower_fixed=False)
    assert np.allclose(fitted.light[:, 1], fitted.light.mean(axis=-1), atol=0.01)
    assert np.abs(fitted.light[:, 0] / fitted.light[:, 1] - 1).max() < 0.11
