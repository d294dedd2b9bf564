"""The recogniser network in NumPy with explicit state: the form that runs live, for any number of streams and steps.

Pure. Equal to `network.RecogniserNetwork` within float32 rounding, which a test proves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from styletalk_core.phones import PHONES
from styletalk_core.recognizer.features import MELS
from styletalk_core.recognizer.network import STACK, RecogniserConfig

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Block:
    dilation: int
    gain: Array
    shift: Array
    taps: Array
    taps_bias: Array
    out: Array
    out_bias: Array


class StepNetwork:
    """Weights of one head, shared by every stream. Holds no state of a stream."""

    def __init__(self, tensors: dict[str, Array], config: RecogniserConfig, head: int) -> None:
        """Args: tensors: of `RecogniserNetwork.state_dict`; head: index into ``config.delays``."""
        self._stem, self._stem_bias = _weight(tensors, "stem"), tensors["stem.bias"]
        self._blocks = [
            _Block(
                dilation,
                tensors[f"blocks.{i}.norm.weight"],
                tensors[f"blocks.{i}.norm.bias"],
                _weight(tensors, f"blocks.{i}.taps"),
                tensors[f"blocks.{i}.taps.bias"],
                _weight(tensors, f"blocks.{i}.out"),
                tensors[f"blocks.{i}.out.bias"],
            )
            for i, dilation in enumerate(config.dilations)
        ]
        self._gain, self._shift = tensors["norm.weight"], tensors["norm.bias"]
        rows = slice(head * len(PHONES), (head + 1) * len(PHONES))
        self._head = np.ascontiguousarray(tensors["heads.weight"][rows].T)
        self._head_bias = tensors["heads.bias"][rows]
        self.memory_shape = (2 * sum(config.dilations), config.width)
        """What one stream remembers: the normalised inputs that later taps reach back to."""

    def advance(self, features: Array, memory: Array) -> tuple[Array, Array]:
        """Runs T steps.

        Args:
            features: (B, 2 T, 80) float32.
            memory: (B, *memory_shape) float32; zeros before the first step.

        Returns:
            Posteriors (B, T, 41) float32 and the new memory.
        """
        batch, frames, _ = features.shape
        steps = frames // STACK
        x = features.reshape(batch, steps, STACK * MELS) @ self._stem + self._stem_bias
        kept, row = [], 0
        for block in self._blocks:
            reach = 2 * block.dilation
            past = np.concatenate([memory[:, row : row + reach], _normalise(x, block.gain, block.shift)], axis=1)
            taps = np.concatenate([past[:, i * block.dilation :][:, :steps] for i in range(3)], axis=-1)
            hidden = taps @ block.taps + block.taps_bias
            hidden /= 1 + np.exp(-hidden)
            x = x + hidden @ block.out + block.out_bias
            kept.append(past[:, steps:])
            row += reach
        logits = _normalise(x, self._gain, self._shift) @ self._head + self._head_bias
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return odds / odds.sum(axis=-1, keepdims=True), np.concatenate(kept, axis=1)


def _weight(tensors: dict[str, Array], name: str) -> Array:
    return np.ascontiguousarray(tensors[f"{name}.weight"].T)


def _normalise(x: Array, gain: Array, shift: Array) -> Array:
    """Layer normalisation over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(np.square(centred), axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(1e-5)) * gain + shift, np.float32)
