"""Style encoder E_s in NumPy (section 3.2, equation 1), and the windows of a style clip.

Equal to `StyleTalk.encode_style` within 1e-4, verified by `test_numpy_style_encoder.py`.
Runs on: any thread; pure.
"""

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.models.compiled.lip_range import log_gains
from styletalk_core.models.compiled.numpy_transformer import encoder_layer, linear, sinusoid_positions, softmax
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.weight_file import Weights
from styletalk_core.phones import FPS

MIN_DEVIATION = 0.1
"""Added to standard deviations, which are about 1, before taking the logarithm."""

Float = NDArray[np.float32]


def encode_style(clip: Float, weights: Weights) -> Float:
    """Encodes one style clip (L, 64) of any length of at least one second, 30 fps, into its code (C,).

    Raises:
        InputError: the clip is too short or has the wrong shape; see `style_windows`.
    """
    d, tensors = weights.dimensions, weights.tensors
    windows = style_windows(clip, d)
    x = linear(tensors, "style_encoder.project", windows) + sinusoid_positions(windows.shape[1], d.width)
    for layer in range(d.layers):
        x = encoder_layer(tensors, f"style_encoder.layers.{layer}", x, d.heads)
    score = linear(tensors, "style_encoder.pooling.2", _mish(linear(tensors, "style_encoder.pooling.0", x)))
    code = (x * softmax(score, axis=1)).sum(axis=1)
    if d.statistics:
        known = _statistics(windows)
        code = np.concatenate([code + linear(tensors, "style_encoder.statistics", known), known], axis=1)
    mean = np.asarray(code.mean(axis=0), np.float32)
    if not d.calibrated:
        return mean
    return np.append(mean, log_gains(mean, clip, tensors["lip_spread"], tensors["lip_articulators"], d))


def style_windows(clip: Float, dimensions: Dimensions) -> Float:
    """Evenly spaced windows (N, 256, 64), whose codes are averaged; a shorter clip gives one window (1, L, 64).

    Raises:
        InputError: the clip is shorter than one second, has another width, or contains values that are not finite.
    """
    if clip.ndim != 2 or clip.shape[1] != dimensions.coefficients:
        raise InputError(f"a style clip has shape (L, {dimensions.coefficients}), not {tuple(clip.shape)}")
    if len(clip) < FPS:
        raise InputError(f"a style clip needs at least {FPS} frames (one second), not {len(clip)}")
    if not np.isfinite(clip).all():
        raise InputError("the style clip contains coefficients that are not finite")
    length = min(len(clip), dimensions.style_frames)
    starts = np.linspace(0, len(clip) - length, -(-len(clip) // length)).round().astype(int)
    return np.stack([clip[start : start + length] for start in starts]).astype(np.float32)


def _mish(x: Float) -> Float:
    return x * np.tanh(np.logaddexp(x, np.float32(0)))


def _statistics(windows: Float) -> Float:
    """Mean and log standard deviation over time of windows (N, L, C): (N, 2 C)."""
    return np.concatenate([windows.mean(axis=1), np.log(windows.std(axis=1) + np.float32(MIN_DEVIATION))], axis=1)
