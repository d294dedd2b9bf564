"""The packed product computes what the plain one computes, for any number of rows."""

import numpy as np
import pytest
import torch
from torch import nn

from styletalk_core.packed import LANES, TILE, linear, pack, product


@pytest.mark.parametrize("rows", [1, 8, 11, 25])
@pytest.mark.parametrize("relu", [True, False])
def test_a_packed_product_equals_the_plain_one(rows: int, relu: bool) -> None:
    torch.manual_seed(rows)
    plain = nn.Linear(64, 50)
    packed = pack(plain.weight, plain.bias)
    assert packed.outputs == -(-50 // TILE) * TILE
    x, out = torch.randn(rows, 64), np.full((rows, packed.outputs), np.nan, np.float32)
    linear(x.numpy(), packed.address, out, relu)
    expected = plain(x).relu() if relu else plain(x)
    np.testing.assert_allclose(out[:, :50], expected.detach().numpy(), rtol=0, atol=2e-3)
    assert not out[:, 50:].any()


def test_rows_may_lie_apart() -> None:
    plain = nn.Linear(64, TILE)
    packed = pack(plain.weight, plain.bias)
    x, wide = np.random.default_rng(0).normal(size=(33, 64)).astype(np.float32), np.zeros((3, 4 * TILE), np.float32)
    linear(x[5::11], packed.address, wide[:, TILE : 2 * TILE], False)
    expected = plain(torch.from_numpy(x[5::11])).detach().numpy()
    np.testing.assert_allclose(wide[:, TILE : 2 * TILE], expected, rtol=0, atol=2e-3)
    assert not wide[:, :TILE].any() and not wide[:, 2 * TILE :].any()


def test_half_precision_is_all_that_is_lost() -> None:
    weight = torch.randn(TILE, 32).half().float()
    packed, out = pack(weight), np.empty((11, TILE), np.float32)
    x = torch.randn(11, 32)
    linear(x.numpy(), packed.address, out, False)
    np.testing.assert_allclose(out, (x @ weight.T).numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 11])
def test_a_plain_product_equals_the_library_one(rows: int) -> None:
    generator = np.random.default_rng(rows)
    x, matrix = (generator.normal(size=size).astype(np.float32) for size in ((rows, 12), (12, 2 * LANES)))
    out = np.full((rows, 2 * LANES), np.nan, np.float32)
    product(x, np.ascontiguousarray(matrix.reshape(12, 2, LANES).transpose(1, 0, 2)), out)
    np.testing.assert_allclose(out, x @ matrix, rtol=0, atol=1e-5)
