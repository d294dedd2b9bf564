"""Cached styles, batches and bad input of the StyleTalk network."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from styletalk_core.errors import InputError
from styletalk_core.models.dimensions import OPENING, Dimensions
from styletalk_core.models.style_encoder import clip_statistics
from styletalk_core.models.styletalk import StyleState, StyleTalk, in_style
from styletalk_core.phones import PHONES, WINDOW

SMALL = Dimensions(width=32, heads=4, feed_forward=64, phone_embedding=16, temperature=1.0)


@pytest.fixture(scope="module")
def model() -> StyleTalk:
    torch.manual_seed(0)
    return StyleTalk(SMALL).eval()


def columns(batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, WINDOW, len(PHONES), generator=generator).mul(3).softmax(-1)


@torch.inference_mode()
def test_a_session_decodes_in_a_batch_as_it_does_alone(model: StyleTalk) -> None:
    phones, codes = columns(5), torch.randn(5, SMALL.width)
    states = [model.mix_style(code[None]) for code in codes]
    together = model.decode(phones, StyleState.join(states))
    for row, state in enumerate(states):
        torch.testing.assert_close(model.decode(phones[row : row + 1], state)[0], together[row], rtol=0, atol=1e-6)


@torch.inference_mode()
def test_states_mixed_together_equal_states_mixed_one_by_one(model: StyleTalk) -> None:
    phones, codes = columns(3), torch.randn(3, SMALL.width)
    joined = StyleState.join([model.mix_style(code[None]) for code in codes])
    torch.testing.assert_close(
        model.decode(phones, joined), model.decode(phones, model.mix_style(codes)), rtol=0, atol=1e-5
    )


@torch.inference_mode()
def test_one_frame_of_one_session_equals_the_frame_inside_a_clip(model: StyleTalk) -> None:
    phones = torch.randint(0, len(PHONES), (1, 6, WINDOW))
    state = model.mix_style(torch.randn(1, SMALL.width))
    clip = model.decode(phones, state)
    assert clip.shape == (1, 6, 64)
    torch.testing.assert_close(model.decode(phones[:, 2], state), clip[:, 2], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_style_changes_the_face(model: StyleTalk) -> None:
    one, other = (model.mix_style(code) for code in torch.randn(2, 1, SMALL.width))
    assert (model.decode(columns(1), one) - model.decode(columns(1), other)).abs().max() > 1e-3


@torch.inference_mode()
def test_an_own_rest_adds_a_linear_map_of_the_code() -> None:
    torch.manual_seed(0)
    resting = StyleTalk(replace(SMALL, own_rest=True)).eval()
    plain = StyleTalk(SMALL).eval()
    plain.load_state_dict({name: value for name, value in resting.state_dict().items() if ".rest." not in name})
    phones, code = columns(2), torch.randn(2, SMALL.width)
    added = resting.decode(phones, resting.mix_style(code)) - plain.decode(phones, plain.mix_style(code))
    torch.testing.assert_close(added[:, SMALL.lower], resting.lower.rest(code), rtol=0, atol=1e-5)
    torch.testing.assert_close(added[:, SMALL.upper], resting.upper.rest(code), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_a_code_with_statistics_gives_rest_and_reach_and_changes_nothing_else() -> None:
    torch.manual_seed(0)
    knowing = StyleTalk(replace(SMALL, statistics=True)).eval()
    plain = StyleTalk(SMALL).eval()
    plain.load_state_dict({name: value for name, value in knowing.state_dict().items() if "statistics" not in name})
    clip = 2 + 3 * torch.randn(1, 80, 64)
    code = knowing.style_encoder(clip)
    assert code.shape == (1, SMALL.width + 128)
    torch.testing.assert_close(code[:, SMALL.width : SMALL.width + 64], clip.mean(1), rtol=0, atol=1e-5)
    found = knowing.decode(columns(1), knowing.mix_style(code))
    moved = plain.decode(columns(1), plain.mix_style(code[:, : SMALL.width]))
    wanted = clip.mean(1) + (clip.std(1, correction=0) + 0.1) * moved
    torch.testing.assert_close(found[:, 1:], wanted[:, 1:], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_padding_does_not_change_the_statistics() -> None:
    clip = torch.randn(1, 90, 64)
    pad = torch.arange(90)[None] >= 50
    torch.testing.assert_close(clip_statistics(clip, pad), clip_statistics(clip[:, :50]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("mean", "deviation"), [(1.5, 0.5), (0.7, 0.9), (-0.2, 1.0)])
def test_lips_of_every_style_follow_its_range_and_can_close(mean: float, deviation: float) -> None:
    moved = torch.zeros(401, 64)
    moved[:, OPENING] = torch.linspace(-4, 4, 401)
    lips = in_style(moved, torch.full((64,), mean), torch.full((64,), deviation))[:, OPENING]
    assert (lips.diff() > 0).all(), "further open is further open"
    assert lips.diff().max() < 0.03, "without a jump"
    assert -0.2 < lips[0] <= 0
    wide = moved[:, OPENING] > 1.2
    torch.testing.assert_close(lips[wide], mean + deviation * moved[wide, OPENING])


@torch.inference_mode()
def test_padding_does_not_change_the_style(model: StyleTalk) -> None:
    clip = torch.randn(1, 256, 64)
    pad = torch.arange(256)[None] >= 100
    torch.testing.assert_close(model.style_encoder(clip, pad), model.style_encoder(clip[:, :100]), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_a_long_style_clip_is_the_average_of_its_windows(model: StyleTalk) -> None:
    clip = torch.randn(512, 64)
    halves = [model.encode_style(half) for half in clip.split(256)]
    torch.testing.assert_close(model.encode_style(clip), torch.stack(halves).mean(0), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("phone", "value"), [(41, "41"), (-1, "-1")])
def test_a_phone_outside_the_alphabet_is_named(model: StyleTalk, phone: int, value: str) -> None:
    phones = torch.full((1, WINDOW), 3)
    phones[0, 4] = phone
    with pytest.raises(ValueError, match=f"phone id {value} "):
        model.decode(phones, model.mix_style(torch.zeros(1, SMALL.width)))


def test_probabilities_that_are_not_finite_are_refused(model: StyleTalk) -> None:
    phones = columns(1)
    phones[0, 2, 3] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        model.decode(phones, model.mix_style(torch.zeros(1, SMALL.width)))


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (torch.zeros(29, 64), "not 29"),
        (torch.zeros(0, 64), "not 0"),
        (torch.zeros(60, 63), r"\(60, 63\)"),
        (torch.full((60, 64), torch.nan), "not finite"),
    ],
)
def test_a_style_clip_that_cannot_be_used_is_refused(model: StyleTalk, clip: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.encode_style(clip)
