"""The packed product equals the plain one, for any number of rows, with every kernel available here."""

import numpy as np
import pytest

from styletalk_core.models.compiled.kernel_choice import candidates, fastest_kernel
from styletalk_core.models.compiled.packed import linear, pack, spec
from styletalk_core.models.compiled.tile_kernel import Kernel, Storage
from styletalk_core.models.dimensions import Dimensions

KERNELS = candidates(Dimensions())
RELATIVE_ERROR = {Storage.FLOAT32: 1e-6, Storage.FLOAT16: 3e-4, Storage.INT16: 3e-4}
"""Root mean square, of the results' deviation."""


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[0]).normal(size=shape).astype(np.float32)


def product(kernel: Kernel, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool) -> np.ndarray:
    packed = pack(weight, bias, kernel)
    assert packed.outputs == -(-len(weight) // kernel.tile) * kernel.tile
    padded = np.pad(x, ((0, 0), (0, packed.inputs - x.shape[1])))
    out = np.full((len(x), packed.outputs), np.nan, np.float32)
    linear(padded, packed.address, out, np.bool_(relu), spec(kernel))
    assert not out[:, len(weight) :].any()
    return out[:, : len(weight)]


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("rows", [1, 2, 3, 8, 11, 25])
@pytest.mark.parametrize("relu", [True, False])
def test_a_packed_product_equals_the_plain_one(kernel: Kernel, rows: int, relu: bool) -> None:
    x, weight, bias = random(rows, 256), random(50, 256), random(50)
    expected = x @ weight.T + bias
    expected = np.maximum(expected, 0) if relu else expected
    error = product(kernel, x, weight, bias, relu) - expected
    assert np.sqrt(np.mean(error**2)) < RELATIVE_ERROR[kernel.storage] * expected.std()


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_inputs_that_fill_no_step_are_padded(kernel: Kernel) -> None:
    x, weight = random(11, 41), random(64, 41)
    np.testing.assert_allclose(product(kernel, x, weight, None, False), x @ weight.T, rtol=0, atol=2e-2)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_a_row_gives_the_same_in_any_batch(kernel: Kernel) -> None:
    x, weight = random(24, 256), random(64, 256)
    together = product(kernel, x, weight, None, False)
    for row in range(24):
        alone = product(kernel, x[row : row + 1], weight, None, False)[0]
        np.testing.assert_allclose(alone, together[row], rtol=0, atol=0 if kernel.storage is Storage.INT16 else 2e-4)


@pytest.mark.parametrize("kernel", [kernel for kernel in KERNELS if kernel.storage is Storage.INT16], ids=str)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_largest_sums_of_whole_numbers_stay_within_32_bits(kernel: Kernel, scale: float) -> None:
    """Rows that point exactly along the weights have the longest product that the bound admits."""
    weight = np.concatenate([random(63, 1024), np.eye(1, 1024, dtype=np.float32)]) * np.float32(scale)
    found = product(kernel, weight, weight, None, False)
    np.testing.assert_allclose(np.diag(found), np.square(weight).sum(axis=1), rtol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_zeros_stay_zero(kernel: Kernel) -> None:
    zeros = np.zeros((11, 256), np.float32)
    assert not product(kernel, zeros, random(64, 256), None, False).any()
    assert not product(kernel, random(11, 256), zeros, None, False).any()


def test_the_fastest_kernel_is_a_candidate_and_measured_once() -> None:
    small = Dimensions(width=64, heads=4, feed_forward=128, layers=1)
    assert fastest_kernel(small) in candidates(small) and fastest_kernel(small) is fastest_kernel(small)
