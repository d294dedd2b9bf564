"""Packed weights compute what plain ones compute, one frame or many, in float32 exactly and in bfloat16 closely."""

import pytest
import torch
from torch import Tensor, nn

from styletalk_core.packed import PackedLinear, can_pack
from styletalk_core.phones import PHONES, WINDOW
from styletalk_core.styletalk import Dimensions, StyleState, StyleTalk

SMALL = Dimensions(width=64, heads=4, feed_forward=128, phone_embedding=16, temperature=1.0)
pytestmark = pytest.mark.skipif(not can_pack(torch.device("cpu")), reason="torch has no oneDNN here")


def pair(dtype: torch.dtype) -> tuple[StyleTalk, StyleTalk]:
    torch.manual_seed(0)
    plain, packed = StyleTalk(SMALL).eval(), StyleTalk(SMALL).eval()
    packed.load_state_dict(plain.state_dict())
    return plain, packed.pack(dtype)


def columns(batch: int) -> Tensor:
    return torch.randn(batch, WINDOW, len(PHONES)).mul(3).softmax(-1)


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_equals_the_plain_one(bias: bool) -> None:
    linear, x = nn.Linear(32, 48, bias=bias), torch.randn(3, 11, 32)
    torch.testing.assert_close(PackedLinear(linear.weight, linear.bias)(x), linear(x), rtol=0, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_a_packed_network_equals_the_plain_one(dtype: torch.dtype, tolerance: float) -> None:
    plain, packed = pair(dtype)
    phones, codes = columns(3), torch.randn(3, SMALL.width)
    found = packed.decode(phones, packed.mix_style(codes))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, plain.decode(phones, plain.mix_style(codes)), rtol=0, atol=tolerance)


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_batch_decodes_as_its_sessions_do_alone(dtype: torch.dtype) -> None:
    _, packed = pair(dtype)
    phones, codes = columns(4), torch.randn(4, SMALL.width)
    states = [packed.mix_style(code[None]) for code in codes]
    together = packed.decode(phones, StyleState.join(states))
    for row, state in enumerate(states):
        torch.testing.assert_close(packed.decode(phones[row : row + 1], state)[0], together[row], rtol=0, atol=1e-6)


@torch.inference_mode()
def test_packing_leaves_the_style_encoder_as_it_was() -> None:
    plain, packed = pair(torch.bfloat16)
    clip = torch.randn(60, 64)
    assert torch.equal(packed.encode_style(clip), plain.encode_style(clip))
