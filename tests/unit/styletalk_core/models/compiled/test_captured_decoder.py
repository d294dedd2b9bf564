"""Batches in fixed buffers give each session the same frame as alone, whatever session used its row before."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.models.compiled.captured_decoder import CapturedStyleTalk
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import PHONES, WINDOW

SMALL = Dimensions(width=64, heads=4, feed_forward=128, phone_embedding=16, temperature=1.0)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")),
]


@pytest.fixture(params=DEVICES)
def model(request: pytest.FixtureRequest) -> StyleTalk:
    torch.manual_seed(0)
    return StyleTalk(SMALL).eval().to(request.param)


def columns(batch: int) -> NDArray[np.float32]:
    return torch.randn(batch, WINDOW, len(PHONES)).mul(3).softmax(-1).numpy()


def codes_of(batch: int) -> NDArray[np.float32]:
    return torch.randn(batch, SMALL.width).numpy()


@torch.inference_mode()
@pytest.mark.parametrize("batch", [1, 3, 4, 9])
def test_any_batch_equals_its_sessions_alone(model: StyleTalk, batch: int) -> None:
    captured = CapturedStyleTalk(model, sizes=(1, 2, 4))
    tolerance = 1e-5 if captured.device.type == "cpu" else 2e-2
    for _ in range(2):
        phones, codes = columns(batch), codes_of(batch)
        states = [captured.mix_style(code[None]) for code in codes]
        found = captured.decode(phones, captured.join(states))
        windows, given = (torch.from_numpy(array).to(captured.device) for array in (phones, codes))
        expected = model.decode(windows, model.mix_style(given)).numpy(force=True)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@torch.inference_mode()
def test_a_row_follows_the_style_that_took_it(model: StyleTalk) -> None:
    captured = CapturedStyleTalk(model, sizes=(2,))
    phones, codes = columns(2), codes_of(2)
    one, other = (captured.mix_style(code[None]) for code in codes)
    first = captured.decode(phones, [one, other])
    captured.decode(phones, [other, one])
    np.testing.assert_array_equal(captured.decode(phones, [one, other]), first)
    assert not np.array_equal(captured.decode(phones, [one, one])[1], first[1])


def test_bad_input_is_refused(model: StyleTalk) -> None:
    captured = CapturedStyleTalk(model)
    state = captured.mix_style(np.zeros((1, SMALL.width), np.float32))
    with pytest.raises(InputError, match="2 rows of phones do not match 1 styles"):
        captured.decode(columns(2), [state])
    with pytest.raises(InputError, match="not finite"):
        captured.decode(columns(1) * np.float32(np.nan), [state])
