"""The kernel for few rows computes a layer, in full precision or with 16-bit weights."""

import numpy as np
import pytest

from styletalk_core.recognizer.affine import OUTPUTS, affine, exact, quantised


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
@pytest.mark.parametrize(("make", "tolerance"), [(exact, 1e-5), (quantised, 1e-3)])
def test_a_layer_equals_the_plain_product(rows: int, make, tolerance: float) -> None:
    random = np.random.default_rng(rows)
    weight, bias = random.normal(size=(41, 37)).astype(np.float32), random.normal(size=41).astype(np.float32)
    layer = make(weight, bias)
    x, out = random.normal(size=(rows, 37)).astype(np.float32), np.full((rows, 44), np.nan, np.float32)
    affine(x, layer, out)
    assert len(layer.weights) == 44 and len(layer.weights) % OUTPUTS == 0
    np.testing.assert_allclose(out[:, :41], x @ weight.T + bias, atol=tolerance)
    assert not out[:, 41:].any()


def test_no_weight_moves_by_more_than_half_a_step_of_its_row() -> None:
    weight = np.random.default_rng(0).normal(size=(8, 50)).astype(np.float32)
    weight[3] = 0
    layer = quantised(weight)
    moved = np.abs(layer.weights * layer.scales[:, None] - weight).max(axis=1)
    assert (moved <= np.abs(weight).max(axis=1) / 65_534 * 1.01).all()
