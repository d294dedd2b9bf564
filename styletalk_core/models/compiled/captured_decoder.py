"""GPU decoder of `styletalk`: half precision, with one CUDA graph per batch size.

A graph replays the hundred kernels of a frame with one launch, always on the same memory. Each batch size therefore has
its own buffers for phones and row states; a state is copied into its row only when the row's style has changed.

Runs on: worker thread; CUDA. On a CPU it computes the same without capturing, which is used for testing.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styletalk_core.errors import InputError
from styletalk_core.models.phone_windows import probability_columns
from styletalk_core.models.styletalk import StyleState, StyleTalk
from styletalk_core.phones import PHONES, WINDOW

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)
"""Captured batch sizes; batches are padded to the next one, larger ones are split."""
_WARM_UP: Final = 3
"""Warm-up runs before a capture, so that kernel selection and allocation are done."""


class CapturedStyleTalk:
    """Loaded network that decodes batches frame by frame on its device."""

    def __init__(self, model: StyleTalk, sizes: Sequence[int] = SIZES) -> None:
        self.device = model.order.device
        self._dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        self._plain = model
        self._model = copy.deepcopy(model).to(self._dtype).requires_grad_(False)
        self._sizes = sorted(sizes)
        self._batches: dict[int, _CapturedBatch] = {}

    def encode_style(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encodes a style clip (L, 64) into its code (C,), as `StyleTalk.encode_style`."""
        code: NDArray[np.float32] = self._plain.encode_style(torch.from_numpy(clip)).numpy(force=True)
        return code

    @torch.inference_mode()
    def mix_style(self, code: NDArray[np.float32]) -> StyleState:
        """Computes the state of one style code (1, C); called once per style change."""
        return self._model.mix_style(torch.from_numpy(code).to(self.device, self._dtype))

    def join(self, states: Sequence[StyleState]) -> list[StyleState]:
        """Returns the states unchanged; they are copied into the rows of a batch one at a time."""
        return list(states)

    @torch.inference_mode()
    def decode(self, phones: NDArray[Any], state: Sequence[StyleState]) -> NDArray[np.float32]:
        """Decodes the centre frame of each phone window, as `StyleTalk.decode`.

        Args:
            phones: (B, 11) integer ids or (B, 11, 41) float probability columns, 30 fps.
            state: B states of one style each; state i decodes phones[i].

        Returns:
            (B, 64) float32 expression coefficients.

        Raises:
            InputError: an id outside 0..40, a non-finite probability, or mismatched shapes.
        """
        columns = torch.from_numpy(probability_columns(phones))
        if len(columns) != len(state):
            raise InputError(f"{len(columns)} rows of phones do not match {len(state)} styles")
        most = self._sizes[-1]
        parts = [
            self._batch(min(most, len(columns) - start)).decode(
                columns[start : start + most], state[start : start + most]
            )
            for start in range(0, len(columns), most)
        ]
        coefficients: NDArray[np.float32] = torch.cat(parts).float().numpy(force=True)
        return coefficients

    def _batch(self, count: int) -> "_CapturedBatch":
        size = next(size for size in self._sizes if size >= count)
        if size not in self._batches:
            self._batches[size] = _CapturedBatch(self._model, size, self._dtype)
        return self._batches[size]


class _CapturedBatch:
    """Buffers and CUDA graph of one batch size."""

    def __init__(self, model: StyleTalk, size: int, dtype: torch.dtype) -> None:
        device = model.order.device
        self._phones = torch.zeros(size, WINDOW, len(PHONES), device=device, dtype=dtype)
        self._state = model.mix_style(torch.zeros(size, model.code_width, device=device, dtype=dtype))
        self._rows: list[StyleState | None] = [None] * size

        def frame() -> Tensor:
            return model.express(self._phones[:, None], self._state)[:, 0]

        self._frame: Callable[[], Tensor] = _captured(frame) if device.type == "cuda" else frame

    def decode(self, columns: Tensor, states: Sequence[StyleState]) -> Tensor:
        """Decodes at most as many rows as the batch has."""
        for row, state in enumerate(states):
            if self._rows[row] is not state:
                self._rows[row] = state
                for mine, theirs in zip(_tensors(self._state), _tensors(state), strict=True):
                    mine[row].copy_(theirs[0])
        self._phones[: len(columns)].copy_(columns)
        return self._frame()[: len(columns)].clone()


def _captured(frame: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Return a function that replays ``frame`` as a CUDA graph."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            frame()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = frame()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


def _tensors(part: Any) -> Iterator[Tensor]:
    """Return the tensors of a state in field order."""
    if isinstance(part, Tensor):
        yield part
        return
    for inner in part if isinstance(part, tuple) else (getattr(part, field.name) for field in fields(part)):
        yield from _tensors(inner)
