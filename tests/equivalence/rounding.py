"""Bound on the float32 rounding error of a network, on any processor.

Processors, thread counts and libraries add the same terms in different orders, with or without fused multiply-add. The
computed sum of K products is the exact sum of slightly perturbed products: by K roundings each in the worst
case (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), by lambda * sqrt(K) with a probability that
differs from 1 by less than 2 exp(-lambda**2 / 2), since roundings have random signs (Higham and Mary, A New Approach to
Probabilistic Rounding Error Analysis, theorem 2.4). So a float32 network is, to first order, the exact network whose
weights and inputs are perturbed by that much. Here they are perturbed by that amount with random signs, in float64; the
change of the output bounds the effect of rounding, including amplification by later layers, such as norms over few
pixels or a warp, which multiplies an error of the flow by the gradient of the image.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Final, TypeVar

import torch
from torch import Tensor, nn

UNIT_ROUNDOFF: Final = 2.0**-24
LAMBDA: Final = 4.0
DRAWS: Final = 6
MAX_DIFFERENCE: Final = 1e-3
"""A bound above this share of an output's own size would let errors of the code pass."""

Outputs = Mapping[str, Tensor]
M = TypeVar("M", bound=nn.Module)


def exact(model: M) -> M:
    """A copy of the model that computes in float64."""
    return deepcopy(model).double()


@torch.no_grad()
def rounding_bounds(model: M, run: Callable[..., Outputs], inputs: Sequence[Tensor]) -> dict[str, float]:
    """The largest difference that rounding may make to any element of each output.

    Args:
        model: with float32 weights.
        run: computes the outputs of a model, its first argument, for the inputs.
        inputs: floating-point ones are rounded once, whole numbers are left alone.

    Raises:
        AssertionError: rounding could hide errors, see `MAX_DIFFERENCE`.
    """
    stream = torch.Generator().manual_seed(0)
    reference = exact(model)
    wide = [value.double() if value.is_floating_point() else value for value in inputs]
    wanted = run(reference, *wide)
    bounds = dict.fromkeys(wanted, 0.0)
    for _ in range(DRAWS):
        moved = exact(model)
        for value in moved.state_dict().values():
            value.copy_(_moved(value, value[0].numel() if value.dim() > 1 else 1, stream))
        rounded = [_moved(value, 1, stream) if value.is_floating_point() else value for value in wide]
        for name, value in run(moved, *rounded).items():
            bounds[name] = max(bounds[name], float((value - wanted[name]).abs().max()))
    for name, bound in bounds.items():
        largest = float(wanted[name].abs().max())
        assert bound < MAX_DIFFERENCE * largest, f"{name} is too sensitive to rounding: {bound:.2g}"
    return bounds


def _moved(value: Tensor, terms: int, stream: torch.Generator) -> Tensor:
    """Every element off by the roundings of a sum of ``terms`` products, up or down."""
    signs = torch.randint(0, 2, value.shape, generator=stream) * 2 - 1
    return value * (1 + LAMBDA * terms**0.5 * UNIT_ROUNDOFF * signs)
