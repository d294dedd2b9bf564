"""Jobs: requests of sessions to the engine, and their results.

Pure, apart from the future in each job, which belongs to the event loop. Every kind of job declares the type of its
result.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from streaming.engine import Engine, RecognizedHops
from streaming.media import MotionFrame
from streaming.scheduling.plan import StageCosts
from streaming.scheduling.slots import SlotLease
from streaming.units import MODEL_SAMPLE_TICKS, TICK_RATE

Result = TypeVar("Result")
ControlOperation = Callable[[Engine], None]
"""Changes the state that the engine keeps for a slot; runs on the worker thread."""


class JobKind(Enum):
    """Stage of the engine that a job uses; the value is its name in the metrics."""

    RECOGNIZE = "recogniser"
    DECODE = "decoder"
    RENDER = "renderer"
    CONTROL = "control"


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[Result]):
    """One session's part of a batch.

    Attributes:
        lease: the session's slot.
        deadline: orders the jobs; seconds on the worker's clock, as ``submitted``.
        submitted: time of submission.
        answer: future that the session awaits; may be cancelled at any time.
    """

    kind: ClassVar[JobKind]
    lease: SlotLease
    deadline: float
    submitted: float
    answer: asyncio.Future[Result]

    def deliver(self, result: Result) -> None:
        """Sets the result, unless the future was cancelled. Runs on the event loop."""
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: Exception) -> None:
        """Sets an error, unless the future was cancelled. Runs on the event loop."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def expected(self, costs: StageCosts, result: Result) -> float:
        """Seconds that the job takes by the ``costs``; nothing for a change of settings."""
        return 0.0


@dataclass(frozen=True, slots=True, eq=False)
class RecognizeJob(Job[RecognizedHops]):
    """Feeds ``audio`` (n,) float32 16 kHz to the recognizer."""

    kind = JobKind.RECOGNIZE
    audio: NDArray[np.float32]

    def expected(self, costs: StageCosts, result: RecognizedHops) -> float:
        return len(self.audio) * MODEL_SAMPLE_TICKS / TICK_RATE * costs.recognize


@dataclass(frozen=True, slots=True, eq=False)
class DecodeJob(Job[NDArray[np.float32]]):
    """Decodes a phone window (11, 41) float32 into an expression (64,) float32."""

    kind = JobKind.DECODE
    window: NDArray[np.float32]

    def expected(self, costs: StageCosts, result: NDArray[np.float32]) -> float:
        return costs.decode


@dataclass(frozen=True, slots=True, eq=False)
class RenderJob(Job[NDArray[np.uint8]]):
    """Renders a motion frame to (H*3//2, W) uint8 yuv420p."""

    kind = JobKind.RENDER
    motion: MotionFrame

    def expected(self, costs: StageCosts, result: NDArray[np.uint8]) -> float:
        return costs.render[result.shape[1]]


@dataclass(frozen=True, slots=True, eq=False)
class ControlJob(Job[None]):
    """Changes the state that the engine keeps for the slot."""

    kind = JobKind.CONTROL
    operation: ControlOperation


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """A job and its result."""

    job: Job[Result]
    result: Result

    def deliver(self) -> None:
        """Hands the result to the session. Runs on the event loop."""
        self.job.deliver(self.result)

    def expected(self, costs: StageCosts) -> float:
        """Seconds that the job takes by the ``costs``."""
        return self.job.expected(costs, self.result)


AnyJob = RecognizeJob | DecodeJob | RenderJob | ControlJob
AnyAnswer = Answer[RecognizedHops] | Answer[NDArray[np.float32]] | Answer[NDArray[np.uint8]] | Answer[None]


def expected(costs: StageCosts, answers: Sequence[AnyAnswer]) -> float:
    """Seconds that a batch takes by the ``costs``."""
    return sum(answer.expected(costs) for answer in answers)
