"""Transformer blocks in NumPy, for once-per-style computations without PyTorch.

Each function takes the tensors of a network and the name of a module. (B, T, C) float32 in and out.
Runs on: any thread; pure. `test_numpy_style_encoder.py` compares it with the PyTorch modules.
"""

import math

import numpy as np
from numpy.typing import NDArray

from styletalk_core.models.weight_file import Tensors

Float = NDArray[np.float32]
_EPSILON = np.float32(1e-5)
"""Epsilon of `nn.LayerNorm`."""


def sinusoid_positions(length: int, width: int) -> Float:
    """Sinusoidal position table, (length, width) float32; even columns are sines, odd columns cosines."""
    exponent = 2 * (np.arange(width) // 2) / width
    angle = np.arange(length)[:, None] / 10000.0**exponent
    return np.where(np.arange(width) % 2 == 0, np.sin(angle), np.cos(angle)).astype(np.float32)


def linear(tensors: Tensors, name: str, x: Float) -> Float:
    """x (…, in) -> (…, out)."""
    result: Float = x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]
    return result


def layer_norm(tensors: Tensors, name: str, x: Float) -> Float:
    """Layer norm over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + _EPSILON)
    result: Float = centred / deviation * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]
    return result


def softmax(x: Float, axis: int = -1) -> Float:
    """Softmax along an axis."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    share: Float = powers / powers.sum(axis=axis, keepdims=True)
    return share


def self_attention(tensors: Tensors, name: str, x: Float, heads: int) -> Float:
    """Self-attention of x, including the output projection."""
    projected = x @ tensors[f"{name}.in_proj_weight"].T + tensors[f"{name}.in_proj_bias"]
    query, key, value = (
        part.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3) for part in np.split(projected, 3, axis=-1)
    )
    share = softmax(query @ key.swapaxes(-1, -2) / np.float32(math.sqrt(query.shape[-1])))
    mixed = (share @ value).transpose(0, 2, 1, 3).reshape(x.shape)
    return linear(tensors, f"{name}.out_proj", mixed)


def encoder_layer(tensors: Tensors, name: str, x: Float, heads: int) -> Float:
    """Self-attention and feed-forward, each followed by a residual sum and layer norm."""
    x = layer_norm(tensors, f"{name}.norm1", x + self_attention(tensors, f"{name}.self_attn", x, heads))
    hidden = np.maximum(linear(tensors, f"{name}.linear1", x), 0)
    return layer_norm(tensors, f"{name}.norm2", x + linear(tensors, f"{name}.linear2", hidden))
