"""Live recognizer: 16 kHz audio in blocks of any length to one column of phone probabilities per 20 ms.

Column k covers the ticks from 960 k on and is output `delay_ticks` after its first sample was received. The result does
not depend on block boundaries or on other streams in the batch.

The network processes every stream twice, half a step apart, and averages the two columns. This gives one percentage
point more correct frames at the cost of a batch of two.

Runs on: worker thread, or any single thread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import TICKS_PER_SAMPLE
from styletalk_core.errors import InputError
from styletalk_core.phones import FPS, PHONES, SIL_INDEX
from styletalk_core.recognizer.dimensions import STACK
from styletalk_core.recognizer.features import HOP, MELS, FeatureState, extract
from styletalk_core.recognizer.step_network import StepNetwork
from styletalk_core.recognizer.vad import GateState, VoiceDetector
from styletalk_core.recognizer.weights import load_weights

STEP_SAMPLES: Final = STACK * HOP
"""Samples per step (20 ms)."""
COLUMN_TICKS: Final = STEP_SAMPLES * TICKS_PER_SAMPLE
MAX_STEPS: Final = 100
"""Maximum number of steps per call when a long recording is processed."""
DELAY_STEPS: Final = 4
"""Steps from the start of a column to its output; selects the head used live."""
PHASES: Final = 2
"""Passes over each stream: with steps aligned to its start, and with steps `HOP` samples earlier."""
SILENT_COLUMN: Final = np.eye(len(PHONES), dtype=np.float32)[SIL_INDEX]


@dataclass(frozen=True, slots=True)
class Recognition:
    """T consecutive columns; the first begins at tick ``start``, each lasts ``hop`` ticks.

    posteriors: (T, 41) float32, rows sum to 1; SIL where there is no speech. speech: (T,) bool, the gate.
    """

    start: int
    hop: int
    posteriors: NDArray[np.float32]
    speech: NDArray[np.bool_]

    def at(self, ticks: NDArray[np.int64]) -> NDArray[np.float32]:
        """The columns (n, 41) at the given ticks; silence outside."""
        index = (ticks - self.start) // self.hop
        inside = (index >= 0) & (index < len(self.posteriors))
        if not inside.any():
            return np.tile(SILENT_COLUMN, (len(ticks), 1))
        columns = self.posteriors[np.clip(index, 0, len(self.posteriors) - 1)]
        return np.where(inside[:, None], columns, SILENT_COLUMN)


class PhoneRecognizer(Protocol):
    """Recognizer back end: audio of one speaker to phone columns, in order and without gaps."""

    @property
    def delay_ticks(self) -> int:
        """Maximum ticks from the arrival of a sample to the output of its column."""

    def push(self, samples: NDArray[np.float32]) -> Recognition:
        """Processes (n,) float32 16 kHz samples; returns the new columns, possibly none."""

    def flush(self) -> Recognition:
        """Returns the columns of all audio received so far, as if silence followed."""

    def reset(self) -> None:
        """Resets the state; tick 0 is the next sample."""


@dataclass(slots=True)
class _State:
    """State of one stream: network memory (2, rows, width) in both phases, last feature frame (80,)."""

    memory: NDArray[np.float32]
    last: NDArray[np.float32] = field(default_factory=lambda: np.zeros(MELS, np.float32))
    features: FeatureState = field(default_factory=lambda: FeatureState.zeros(1))
    gate: GateState = field(default_factory=GateState)
    pending: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    steps: int = 0


class Recognizer:
    """Neural back end; its weights are shared by all streams."""

    def __init__(self, path: Path | None = None, delay_steps: int = DELAY_STEPS) -> None:
        """Raises: CheckpointError: not a weight file. InputError: the network has no head with this delay."""
        weights = load_weights(path)
        delays = weights.config.delays
        if delay_steps not in delays:
            raise InputError(f"the recognizer has no output after {delay_steps} steps, only {delays}")
        self._network = StepNetwork(weights.tensors, weights.config, delays.index(delay_steps))
        self._detector = VoiceDetector()
        self._delay_steps = delay_steps

    @classmethod
    def load(cls) -> "Recognizer":
        """Loads the packaged weights with the default delay."""
        return cls()

    @property
    def delay_ticks(self) -> int:
        """Ticks from the first sample of a column to its output."""
        return self._delay_steps * COLUMN_TICKS

    def state(self) -> _State:
        """The initial state of a stream."""
        return _State(np.zeros((PHASES, *self._network.memory_shape), np.float32))

    def push(self, streams: "Sequence[RecognizerStream]", audio: Sequence[NDArray[np.float32]]) -> list[Recognition]:
        """Feeds ``audio[i]`` (n,) float32 16 kHz to ``streams[i]``; steps of different streams run as one batch."""
        firsts = [stream.state.steps for stream in streams]
        columns: list[list[NDArray[np.float32]]] = [[] for _ in streams]
        speech: list[list[NDArray[np.bool_]]] = [[] for _ in streams]
        for stream, samples in zip(streams, audio, strict=True):
            state = stream.state
            pending = np.empty(len(state.pending) + len(samples), np.float32)
            pending[: len(state.pending)] = state.pending
            _clean(np.asarray(samples, np.float32), pending[len(state.pending) :])
            state.pending = pending
        while ready := [i for i, stream in enumerate(streams) if len(stream.state.pending) >= STEP_SAMPLES]:
            states = [streams[i].state for i in ready]
            posteriors, gates = self._advance(states)
            for row, i in enumerate(ready):
                early = max(len(gates[row]) + self._delay_steps - 1 - states[row].steps, 0)
                columns[i].append(posteriors[row, early:])
                speech[i].append(gates[row, early:])
        return [
            Recognition(
                start=max(first + 1 - self._delay_steps, 0) * COLUMN_TICKS,
                hop=COLUMN_TICKS,
                posteriors=_joined(columns[i]) if columns[i] else np.zeros((0, len(PHONES)), np.float32),
                speech=_joined(speech[i]) if speech[i] else np.zeros(0, np.bool_),
            )
            for i, first in enumerate(firsts)
        ]

    def _advance(self, states: Sequence[_State]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Runs all steps that every one of B streams has audio for; returns columns (B, T, 41) and gates (B, T)."""
        steps = min(min(len(state.pending) for state in states) // STEP_SAMPLES, MAX_STEPS)
        samples = _joined([state.pending[None, : steps * STEP_SAMPLES] for state in states])
        features, heard = extract(samples, FeatureState.joined([state.features for state in states]))
        phases = np.empty((len(states), PHASES, *features.shape[1:]), np.float32)
        phases[:, 0] = features
        phases[:, 1, 0] = [state.last for state in states]
        phases[:, 1, 1:] = features[:, :-1]
        memory = _joined([state.memory for state in states])
        columns = self._network.advance(
            phases.reshape(-1, *features.shape[1:]),
            memory,
            np.array([state.steps for state in states for _ in range(PHASES)]),
        ).reshape(len(states), PHASES, steps, len(PHONES))
        posteriors = (columns[:, 0] + columns[:, 1]) / np.float32(PHASES)
        gates = self._gates([state.gate for state in states], samples)
        posteriors[~gates] = SILENT_COLUMN
        for row, state in enumerate(states):
            state.features = heard.of(row)
            state.memory, state.last = memory[PHASES * row : PHASES * (row + 1)], features[row, -1]
            state.pending = state.pending[steps * STEP_SAMPLES :]
            state.steps += steps
        return posteriors, gates

    def _gates(self, states: Sequence[GateState], samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Returns the speech gates (B, T) of B speakers in T steps, for samples (B, 320 T)."""
        gates = np.empty((len(states), samples.shape[1] // STEP_SAMPLES), np.bool_)
        for step in range(gates.shape[1]):
            self._detector.advance(states, samples[:, step * STEP_SAMPLES : (step + 1) * STEP_SAMPLES])
            gates[:, step] = [state.open for state in states]
        return gates


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Concatenates the parts along their first axis; a single part is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@numba.njit(nogil=True, cache=True)
def _clean(samples: Any, out: Any) -> None:
    """Clamps samples (n,) to full scale and replaces non-finite values by silence."""
    for i in range(len(samples)):
        sample = samples[i]
        out[i] = min(max(sample, np.float32(-1)), np.float32(1)) if math.isfinite(sample) else np.float32(0)


class RecognizerStream:
    """Stream of one speaker on a shared `Recognizer`. Implements `PhoneRecognizer`."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.state = recognizer.state()

    @property
    def delay_ticks(self) -> int:
        """Ticks from the first sample of a column to its output."""
        return self._recognizer.delay_ticks

    def push(self, samples: NDArray[np.float32]) -> Recognition:
        """Processes (n,) float32 16 kHz samples; returns the new columns, possibly none."""
        return self._recognizer.push([self], [samples])[0]

    def flush(self) -> Recognition:
        """Returns the columns of all audio received so far, as if silence followed."""
        rest = -len(self.state.pending) % STEP_SAMPLES + self.delay_ticks // TICKS_PER_SAMPLE
        return self.push(np.zeros(rest, np.float32))

    def reset(self) -> None:
        """Resets the state; tick 0 is the next sample."""
        self.state = self._recognizer.state()


def recognize(recognizer: PhoneRecognizer, samples: NDArray[np.float32]) -> Recognition:
    """Recognizes a whole recording (n,) float32 16 kHz: columns from tick 0 to its end."""
    recognizer.reset()
    parts = [recognizer.push(samples), recognizer.flush()]
    return Recognition(
        start=0,
        hop=parts[0].hop,
        posteriors=np.concatenate([part.posteriors for part in parts]),
        speech=np.concatenate([part.speech for part in parts]),
    )


def frame_labels(recognition: Recognition, frames: int) -> NDArray[np.uint8]:
    """Phone ids (frames,) at 30 fps as in the official labels: the phone at the first tick of the frame."""
    ticks = np.arange(frames, dtype=np.int64) * (48_000 // FPS)
    return np.asarray(recognition.at(ticks).argmax(axis=1), np.uint8)


def frame_columns(recognizer: PhoneRecognizer, samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Phone columns (frames, 41) of a recording at 30 fps, at the middle of each frame as in the live timeline."""
    ticks = np.arange(frames, dtype=np.int64) * (48_000 // FPS) + 24_000 // FPS
    return recognize(recognizer, samples).at(ticks)
