"""Linear layers whose weights wait in the order in which oneDNN reads them.

A frame multiplies windows of 11 rows with 8 million weights; reordering those for every product takes several times
as long as the products. Weights are packed once, after loading and after each style change.

Runs on: CPU; pure. The operators are those that `torch.compile` emits when it freezes a model; they are private to
torch, so this is the only module that calls them, and `tests/unit/test_packed.py` fails loudly when they move.
"""

from typing import Final

import torch
from torch import Tensor, nn

_ROWS: Final = 11
"""Rows of the products to come: one phone window."""


def can_pack(device: torch.device) -> bool:
    """True where oneDNN computes."""
    return device.type == "cpu" and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def fast_dtype() -> torch.dtype:
    """bfloat16 on processors that multiply it (AVX-512 BF16, AMX), else float32."""
    capabilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else torch.float32


class PackedLinear(nn.Module):
    """x @ weight.T (+ bias) with the weight packed; cannot be trained or saved."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)
        self._bias = None if bias is None else bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Multiplies x (…, in) into (…, out)."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return product


def pack_linears(module: nn.Module) -> None:
    """Replaces every `nn.Linear` inside module by its packed twin."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, PackedLinear(child.weight, child.bias))
        else:
            pack_linears(child)
