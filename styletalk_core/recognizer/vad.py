"""Voice activity detection: silero-vad on windows of 32 ms, with hysteresis and hang-over.

One `VoiceDetector` serves all streams; each stream has a `GateState`. The silero-vad network runs as one compiled call,
which takes a fifth of the time of the forty operators in ONNX Runtime. A test compares it with the original in ONNX
Runtime.

Runs on: any thread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from styletalk_core.recognizer.affine import Affine, affine, exact
from styletalk_core.recognizer.spectrum import Basis, hann_basis, power_spectrum
from styletalk_core.weights import FOLDER

WINDOW: Final = 512
"""Samples per window (32 ms)."""
CONTEXT: Final = 64
"""Samples of context before the window; as many samples are reflected at its end."""
OPEN_ABOVE: Final = 0.4
CLOSE_BELOW: Final = 0.2
HANG_OVER: Final = 6
"""Consecutive windows below `CLOSE_BELOW` that close the gate (192 ms)."""

FRAME: Final = 256
"""Samples per frame of the detector's spectrum (16 ms), with a hop of half a frame."""
FRAMES: Final = 4
"""Frames per window, including its context and the reflected end."""
UNITS: Final = 128
"""Width of the recurrent layer."""


@dataclass(slots=True)
class GateState:
    """Gate state of one stream. ``open``: speech is present or ended less than the hang-over ago.

    memory: (2, 128) float32, output and cell of the recurrent layer.
    """

    pending: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    context: NDArray[np.float32] = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))
    memory: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, UNITS), np.float32))
    quiet: int = HANG_OVER
    open: bool = False

    def judge(self, probability: float) -> None:
        """Updates the gate with the speech probability of the newest window."""
        self.quiet = self.quiet + 1 if probability < CLOSE_BELOW else 0
        self.open = probability >= OPEN_ABOVE or (self.open and self.quiet < HANG_OVER)


class _Layers(NamedTuple):
    basis: Basis
    first: Affine
    second: Affine
    third: Affine
    fourth: Affine
    recurrent: Affine
    output: Affine


class VoiceDetector:
    """The silero-vad network for 16 kHz."""

    def __init__(self) -> None:
        tensors = load_file(FOLDER / "silero_vad.safetensors")
        kernels = [tensors[f"convolutions.{layer}.weight"] for layer in range(4)]
        biases = [tensors[f"convolutions.{layer}.bias"] for layer in range(4)]
        basis = hann_basis(FRAME, FRAME, range(FRAME // 2 + 1))
        unused = len(basis.cosines.weights) - kernels[0].shape[1]
        self._layers = _Layers(
            basis,
            exact(_rows(np.pad(kernels[0], ((0, 0), (0, unused), (0, 0)))), biases[0]),
            exact(_rows(kernels[1]), biases[1]),
            exact(_rows(kernels[2][:, :, 1:]), biases[2]),  # two frames in, one out: the first tap reads padding
            exact(kernels[3][:, :, 1], biases[3]),  # one frame: only the middle tap is used
            exact(
                np.concatenate([tensors["lstm.weight_ih"], tensors["lstm.weight_hh"]], axis=1),
                tensors["lstm.bias_ih"] + tensors["lstm.bias_hh"],
            ),
            exact(tensors["output.weight"], tensors["output.bias"]),
        )

    def advance(self, states: Sequence[GateState], samples: NDArray[np.float32]) -> None:
        """Feeds samples (B, n) float32 16 kHz, n <= 512, one row per stream, and updates each gate."""
        for state, heard in zip(states, samples, strict=True):
            state.pending = np.concatenate([state.pending, heard])
            if len(state.pending) >= WINDOW:
                state.judge(self.hear(np.concatenate([state.context, state.pending[:WINDOW]]), state.memory))
                state.context, state.pending = state.pending[WINDOW - CONTEXT : WINDOW], state.pending[WINDOW:]

    def hear(self, window: NDArray[np.float32], memory: NDArray[np.float32]) -> float:
        """Speech probability of a window with its context (576,) float32; updates memory (2, 128)."""
        return float(_probability(window, memory, self._layers))


def _rows(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reshapes a convolution kernel (out, in, taps) to a matrix applied to ``taps`` consecutive frames."""
    return kernel.transpose(0, 2, 1).reshape(len(kernel), -1)


@numba.njit(nogil=True, cache=True)
def _probability(window: Any, memory: Any, layers: Any) -> Any:
    heard = np.empty(len(window) + CONTEXT, np.float32)
    heard[: len(window)] = window
    for i in range(CONTEXT):
        heard[len(window) + i] = window[len(window) - 2 - i]
    spectrum = np.empty((FRAMES, len(layers.basis.cosines.weights)), np.float32)
    power_spectrum(heard, FRAME // 2, layers.basis, spectrum)
    spectrum = np.sqrt(spectrum)
    first = _convolved(spectrum, layers.first, 1)
    second = _convolved(first, layers.second, 2)
    third = _applied(second.reshape(1, -1), layers.third)
    fourth = _applied(third, layers.fourth)
    _recur(fourth[0], memory, layers.recurrent)
    output = np.empty((1, len(layers.output.weights)), np.float32)
    affine(np.maximum(memory[:1], np.float32(0)), layers.output, output)
    return _sigmoid(output[0, 0])


@numba.njit(nogil=True)
def _convolved(x: Any, layer: Any, stride: int) -> Any:
    """Three-tap convolution of x (frames, in) with zero padding, then ReLU: (frames / stride, out)."""
    frames, inputs = x.shape
    taps = np.zeros((frames // stride, 3 * inputs), np.float32)
    for row in range(len(taps)):
        for tap in range(3):
            frame = row * stride + tap - 1
            if 0 <= frame < frames:
                taps[row, tap * inputs : (tap + 1) * inputs] = x[frame]
    return _applied(taps, layer)


@numba.njit(nogil=True)
def _applied(x: Any, layer: Any) -> Any:
    """Layer outputs (rows, out) for x (rows, in), with ReLU."""
    out = np.empty((len(x), len(layer.weights)), np.float32)
    affine(x, layer, out)
    return np.maximum(out, np.float32(0))


@numba.njit(nogil=True)
def _recur(x: Any, memory: Any, layer: Any) -> None:
    """One LSTM step: x (128,), memory (2, 128) updated in place."""
    inputs, gates = np.empty((1, 2 * UNITS), np.float32), np.empty((1, 4 * UNITS), np.float32)
    inputs[0, :UNITS], inputs[0, UNITS:] = x, memory[0]
    affine(inputs, layer, gates)
    taken, kept, change, shown = gates.reshape(4, UNITS)
    for i in range(UNITS):
        memory[1, i] = _sigmoid(kept[i]) * memory[1, i] + _sigmoid(taken[i]) * math.tanh(change[i])
        memory[0, i] = _sigmoid(shown[i]) * math.tanh(memory[1, i])


@numba.njit(nogil=True)
def _sigmoid(x: Any) -> Any:
    return np.float32(1) / (np.float32(1) + math.exp(-x))
