"""The compiled decoder gives the frames of the plain one, alone or in a batch, and takes the same bad input amiss."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from styletalk_core.compiled_decoder import CompiledStyleTalk, decoder_for
from styletalk_core.errors import InputError
from styletalk_core.packed import TILE
from styletalk_core.phones import PHONES, WINDOW
from styletalk_core.styletalk import Dimensions, StyleTalk

SMALL = Dimensions(width=64, heads=4, feed_forward=128, phone_embedding=16, temperature=1.0)


def plain_model(dimensions: Dimensions) -> StyleTalk:
    """A network whose weights survive half precision unchanged."""
    torch.manual_seed(0)
    model = StyleTalk(dimensions).eval()
    model.content_encoder.project.weight.data.mul_(3)
    return model.half().float()


@pytest.fixture(scope="module")
def model() -> StyleTalk:
    return plain_model(SMALL)


@pytest.fixture(scope="module")
def compiled(model: StyleTalk) -> CompiledStyleTalk:
    return CompiledStyleTalk(model)


def columns(batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, WINDOW, len(PHONES), generator=generator).mul(3).softmax(-1)


@torch.inference_mode()
@pytest.mark.parametrize(
    "dimensions",
    [SMALL, replace(SMALL, layers=1), replace(SMALL, layers=2, own_rest=True), replace(SMALL, statistics=True)],
    ids=["3", "1", "2, rest", "statistics"],
)
def test_compiled_frames_equal_plain_ones(dimensions: Dimensions) -> None:
    model = plain_model(dimensions)
    compiled = CompiledStyleTalk(model)
    phones, codes = columns(3), torch.randn(3, SMALL.width + 2 * 64 * dimensions.statistics)
    found = compiled.decode(phones, compiled.mix_style(codes))
    expected = model.decode(phones, model.mix_style(codes))
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


@torch.inference_mode()
def test_a_session_decodes_in_a_batch_as_it_does_alone(compiled: CompiledStyleTalk) -> None:
    phones, codes = columns(5), torch.randn(5, SMALL.width)
    states = [compiled.mix_style(code[None]) for code in codes]
    together = compiled.decode(phones, compiled.join(states))
    for row, state in enumerate(states):
        torch.testing.assert_close(compiled.decode(phones[row : row + 1], state)[0], together[row], rtol=0, atol=1e-6)


@torch.inference_mode()
def test_ids_decode_as_their_one_hot_columns(compiled: CompiledStyleTalk, model: StyleTalk) -> None:
    phones, code = torch.randint(0, len(PHONES), (1, WINDOW)), torch.randn(1, SMALL.width)
    torch.testing.assert_close(
        compiled.decode(phones, compiled.mix_style(code)),
        model.decode(phones, model.mix_style(code)),
        rtol=0,
        atol=1e-3,
    )


def test_a_joined_state_keeps_the_weights_it_points_to(compiled: CompiledStyleTalk) -> None:
    phones, codes = columns(2), torch.randn(2, SMALL.width)
    expected = compiled.decode(phones, compiled.mix_style(codes))
    joined = compiled.join([compiled.mix_style(code[None]) for code in codes])
    for _ in range(50):
        compiled.mix_style(torch.randn(1, SMALL.width))
    torch.testing.assert_close(compiled.decode(phones, joined), expected, rtol=0, atol=1e-6)


def test_bad_input_is_refused(compiled: CompiledStyleTalk) -> None:
    state = compiled.mix_style(torch.zeros(1, SMALL.width))
    with pytest.raises(InputError, match="2 rows of phones do not fit 1 styles"):
        compiled.decode(columns(2), state)
    with pytest.raises(InputError, match="not finite"):
        compiled.decode(columns(1) * torch.nan, state)
    with pytest.raises(InputError, match="not finite"):
        compiled.mix_style(torch.full((1, SMALL.width), torch.inf))
    with pytest.raises(InputError, match="multiples"):
        CompiledStyleTalk(StyleTalk(replace(SMALL, feed_forward=100)))
    with pytest.raises(InputError, match="multiples"):  # its half, the width of the last layers, fills no tile
        CompiledStyleTalk(StyleTalk(replace(SMALL, width=TILE, heads=1)))


def test_the_processor_gets_the_compiled_decoder(model: StyleTalk) -> None:
    assert isinstance(decoder_for(model), CompiledStyleTalk)
