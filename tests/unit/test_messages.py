"""A blend of styles comes out as shares that add up to 1, or is refused in one sentence."""

import math

import pytest

from server.control.messages import MOST_BLENDED, BadMessage, style_choice


def test_a_style_a_blend_or_what_there_was() -> None:
    assert style_choice({"style": "happy"}, "calm") == "happy"
    assert style_choice({}, "calm") == "calm"
    assert style_choice({}, {"calm": 0.5, "sad": 0.5}) == {"calm": 0.5, "sad": 0.5}
    assert style_choice({"weights": {"happy": 0.9, "sad": 0.3, "calm": 0}}, "calm") == pytest.approx(
        {"happy": 0.75, "sad": 0.25}
    )


@pytest.mark.parametrize(
    "message",
    [
        {"style": 3},
        {"style": "happy", "weights": {"happy": 1}},
        {"weights": ["happy"]},
        {"weights": {}},
        {"weights": {str(number): 0.1 for number in range(MOST_BLENDED + 1)}},
        {"weights": {b"happy": 1}},
        {"weights": {"happy": "much"}},
        {"weights": {"happy": True}},
        {"weights": {"happy": -0.1, "sad": 0.5}},
        {"weights": {"happy": 1.5}},
        {"weights": {"happy": math.nan}},
        {"weights": {"happy": math.inf}},
        {"weights": {"happy": 0, "sad": 0.0}},
    ],
)
def test_malformed_choices_are_refused(message: dict[str, object]) -> None:
    with pytest.raises(BadMessage):
        style_choice(message, "calm")
