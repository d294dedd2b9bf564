"""Causal recognizer network in PyTorch, for training: residual dilated convolutions with one output head per delay.

Two feature frames make one 20 ms step. After step m, a head with delay d predicts the phone of the column that started
d steps before the end of step m. `step_network` runs the same weights live.
"""

import dataclasses
import json
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from styletalk_core.phones import PHONES
from styletalk_core.recognizer.dimensions import STACK, RecognizerConfig
from styletalk_core.recognizer.features import MELS
from styletalk_core.recognizer.weights import load_weights

DROPOUT: Final = 0.25
"""Dropout rate of the hidden channels of a block; the same channels are dropped over the whole excerpt."""


class Block(nn.Module):
    """x + W2 SiLU(W1 [LN(x) at t-2d, t-d, t])."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.taps = nn.Linear(3 * width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, width) to (B, T, width), causal, zero-padded at the start."""
        normed = self.norm(x)
        padded = functional.pad(normed, (0, 0, 2 * self.dilation, 0))
        length = x.shape[1]
        taps = torch.cat([padded[:, i * self.dilation :][:, :length] for i in range(3)], dim=-1)
        hidden = functional.silu(self.taps(taps))
        if self.training:
            hidden = hidden * functional.dropout(hidden.new_ones(len(x), 1, x.shape[2]), DROPOUT)
        change: Tensor = self.out(hidden)
        return x + change


class RecognizerNetwork(nn.Module):
    """Phone recognizer: features to phone logits."""

    def __init__(self, config: RecognizerConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Linear(STACK * MELS, config.width)
        self.blocks = nn.ModuleList(Block(config.width, dilation) for dilation in config.dilations)
        self.norm = nn.LayerNorm(config.width)
        self.heads = nn.Linear(config.width, len(config.delays) * len(PHONES))

    def forward(self, features: Tensor) -> Tensor:
        """Computes the logits after every step.

        Args:
            features: (B, 2 T, 80) float32 at 100 Hz.

        Returns:
            (B, T, heads, 41): entry [:, m, h] predicts column m + 1 - delays[h].
        """
        batch, frames, _ = features.shape
        x = self.stem(features.reshape(batch, frames // STACK, STACK * MELS))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.heads(self.norm(x))
        return logits.view(batch, frames // STACK, len(self.config.delays), len(PHONES))


def save_network(network: RecognizerNetwork, path: Path, card: dict[str, str]) -> None:
    """Saves the weights as float16 with the dimensions and ``card`` as metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, {"config": json.dumps(dataclasses.asdict(network.config))} | card)


def load_network(path: Path | None = None) -> RecognizerNetwork:
    """Loads a network in float32, ready for inference; by default the packaged one.

    Raises:
        CheckpointError: the file is missing or damaged, or its tensors do not match its dimensions.
    """
    weights = load_weights(path)
    network = RecognizerNetwork(weights.config)
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in weights.tensors.items()})
    return network.eval().requires_grad_(False)
