"""Live recognizer network: one compiled call with explicit state, for any number of streams and steps.

Pure. Equal to `network.RecognizerNetwork` up to the rounding of its weights to 16 bits, as a test verifies.
"""

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from styletalk_core.phones import PHONES
from styletalk_core.recognizer.affine import REORDERED, Affine, affine, quantised, stacked
from styletalk_core.recognizer.dimensions import STACK, RecognizerConfig
from styletalk_core.recognizer.features import MELS

Array = NDArray[np.float32]


class _Blocks(NamedTuple):
    """Layers of N residual blocks, each x + W2 SiLU(W1 [LN(x) at t-2d, t-d, t]), stacked along a first axis N."""

    dilations: NDArray[np.int64]
    gains: Array
    shifts: Array
    taps: Affine
    outs: Affine


class StepNetwork:
    """Network with one output head. Stateless: every stream keeps its own memory."""

    def __init__(self, tensors: dict[str, Array], config: RecognizerConfig, head: int) -> None:
        """Args: tensors: `RecognizerNetwork.state_dict`; head: index into ``config.delays``."""
        names = [f"blocks.{i}" for i in range(len(config.dilations))]
        self._stem = _layer(tensors, "stem")
        self._blocks = _Blocks(
            np.array(config.dilations),
            np.stack([tensors[f"{name}.norm.weight"] for name in names]),
            np.stack([tensors[f"{name}.norm.bias"] for name in names]),
            stacked([_layer(tensors, f"{name}.taps") for name in names]),
            stacked([_layer(tensors, f"{name}.out") for name in names]),
        )
        self._gain, self._shift = tensors["norm.weight"], tensors["norm.bias"]
        self._head = _layer(tensors, "heads", slice(head * len(PHONES), (head + 1) * len(PHONES)))
        self.memory_shape = (2 * sum(config.dilations), config.width)
        """Shape of the state of a stream: normalised inputs of later taps, one ring buffer per block."""

    def advance(self, features: Array, memory: Array, taken: NDArray[np.int64]) -> Array:
        """Runs T steps.

        Args:
            features: (B, 2 T, 80) float32.
            memory: (B, *memory_shape) float32, zeros before the first step; updated in place.
            taken: (B,) int64, number of previous steps of each stream.

        Returns:
            Posteriors (B, T, 41) float32.
        """
        batch, frames, _ = features.shape
        steps = frames // STACK
        inputs = np.ascontiguousarray(features).reshape(batch * steps, STACK * MELS)
        posteriors = np.empty((batch * steps, len(PHONES)), np.float32)
        _advance(inputs, self._stem, self._blocks, self._gain, self._shift, self._head, memory, taken, posteriors)
        return posteriors.reshape(batch, steps, len(PHONES))


def _layer(tensors: dict[str, Array], name: str, rows: slice = slice(None)) -> Affine:
    return quantised(tensors[f"{name}.weight"][rows], tensors[f"{name}.bias"][rows])


@numba.njit(nogil=True, cache=True, fastmath=REORDERED)
def _advance(
    inputs: Any, stem: Any, blocks: Any, gain: Any, shift: Any, head: Any, memory: Any, taken: Any, posteriors: Any
) -> None:
    """Fills posteriors (B T, 41) from inputs (B T, 160) and updates memory (B, rows, width)."""
    batch, _, width = memory.shape
    steps = len(inputs) // batch
    x = np.empty((len(inputs), width), np.float32)
    hidden, change = np.empty_like(x), np.empty_like(x)
    taps = np.empty((len(x), 3 * width), np.float32)
    affine(inputs, stem, x)
    first = 0
    for block in range(len(blocks.dilations)):
        dilation = blocks.dilations[block]
        _normalise(x, blocks.gains[block], blocks.shifts[block], hidden)
        for stream in range(batch):
            rows = slice(stream * steps, (stream + 1) * steps)
            _gather(hidden[rows], memory[stream, first : first + 2 * dilation], taken[stream], taps[rows])
        affine(taps, _at(blocks.taps, block), hidden)
        _silu(hidden)
        affine(hidden, _at(blocks.outs, block), change)
        x += change
        first += 2 * dilation
    _normalise(x, gain, shift, hidden)
    logits = np.empty((len(x), len(head.weights)), np.float32)
    affine(hidden, head, logits)
    _softmax(logits, posteriors)


@numba.njit(nogil=True)
def _at(layers: Any, index: int) -> Any:
    return Affine(layers.weights[index], layers.scales[index], layers.biases[index])


@numba.njit(nogil=True)
def _gather(new: Any, past: Any, taken: int, taps: Any) -> None:
    """Concatenates the rows at t-2d, t-d and t into taps (T, 3 width), for T ``new`` rows (T, width).

    ``past`` (2d, width) is a ring buffer: row t is stored at index t modulo 2d.
    """
    (steps, width), reach = new.shape, len(past)
    for step in range(steps):
        place = (taken + step) % reach
        halfway = (place + reach // 2) % reach
        row = taps[step]
        row[:width], row[width : 2 * width], row[2 * width :] = past[place], past[halfway], new[step]
        past[place] = new[step]


@numba.njit(nogil=True)
def _silu(x: Any) -> None:
    """SiLU in place: x / (1 + exp(-x)), x (rows, width)."""
    for row in x:
        for i in range(len(row)):
            row[i] /= np.float32(1) + math.exp(-row[i])


@numba.njit(nogil=True)
def _softmax(logits: Any, out: Any) -> None:
    """Softmax of the first n columns of logits (rows, at least n) into out (rows, n)."""
    phones = out.shape[1]
    for row in range(len(out)):
        largest, total = logits[row, :phones].max(), np.float32(0)
        for i in range(phones):
            out[row, i] = math.exp(logits[row, i] - largest)
            total += out[row, i]
        out[row] /= total


@numba.njit(nogil=True, fastmath=REORDERED)
def _normalise(x: Any, gain: Any, shift: Any, out: Any) -> None:
    """Layer normalisation of every row of x (rows, width)."""
    width = np.float32(x.shape[1])
    for row in range(len(x)):
        values, result = x[row], out[row]
        total = np.float32(0)
        for value in values:
            total += value
        mean = total / width
        squares = np.float32(0)
        for value in values:
            squares += (value - mean) * (value - mean)
        factor = np.float32(1) / np.sqrt(squares / width + np.float32(1e-5))
        for i in range(len(values)):
            result[i] = (values[i] - mean) * factor * gain[i] + shift[i]
