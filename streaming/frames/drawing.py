"""A worker for virtual time that draws frames on threads while the session goes on.

Recognition and decoding run at once, in the session's order, since each depends on what came before. Drawing depends
on the motion alone, so a RENDER job is answered at once with a frame that a thread fills in later; `finish` waits for
it. The frames are the same for any number of threads.
Runs on: the caller's thread; the drawing on a thread pool of its own.
"""

import asyncio
import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.engine import Engine
from streaming.errors import EngineFailure
from streaming.scheduling.scheduler import Job, JobKind, run_batch
from streaming.scheduling.slots import SlotLease
from streaming.virtual_time import InlineWorker

THREAD_NAME = "drawing"
Drawing = Future[float]
"""A frame that is being drawn; the result is the processor time that it took, seconds."""


class DrawingWorker(InlineWorker):
    """Runs every job but RENDER on the caller's thread.

    Args:
        engine: its `render` must be callable from ``threads`` threads at once.
        threads: frames drawn at the same time; one keeps them in order, for a renderer that remembers the last ones.
        cpu_seconds: adds up the processor time of every kind of job.
    """

    def __init__(self, engine: Engine, threads: int, cpu_seconds: defaultdict[JobKind, float]) -> None:
        super().__init__(engine)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=THREAD_NAME)
        self._begun: list[Drawing] = []
        self._shape: tuple[int, ...] | None = None
        self._cpu_seconds = cpu_seconds

    def submit(self, kind: JobKind, lease: SlotLease, payload: Any, deadline: float) -> "asyncio.Future[Any]":
        """Runs the job, or begins to draw; the first frame is drawn at once and tells the shape of the others.

        Raises:
            EngineFailure: the engine failed.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        job = Job(kind, lease, payload, deadline, future.set_result, deadline)
        if kind is JobKind.RENDER and self._shape is not None:
            frame = np.empty(self._shape, np.uint8)
            self._begun.append(self._pool.submit(self._draw, job, frame))
            job.deliver(frame)
            return future
        began = time.thread_time()
        result = self._run(job)
        self._cpu_seconds[kind] += time.thread_time() - began
        if kind is JobKind.RENDER:
            self._shape = result.shape
        job.deliver(result)
        return future

    def begun(self) -> list[Drawing]:
        """The drawings that were begun since the last call."""
        begun, self._begun = self._begun, []
        return begun

    def finish(self, drawings: list[Drawing]) -> None:
        """Returns when these drawings are done.

        Raises:
            EngineFailure: the renderer failed.
        """
        for drawing in drawings:
            self._cpu_seconds[JobKind.RENDER] += drawing.result()

    def close(self) -> None:
        """Ends the threads, without the drawings that wait for one, and closes the slots."""
        self._pool.shutdown(cancel_futures=True)
        for slot in range(self._generation):
            self.engine.close(slot)

    def _draw(self, job: Job, frame: NDArray[np.uint8]) -> float:
        """Fills ``frame``; returns the processor time that it took."""
        began = time.thread_time()
        frame[:] = self._run(job)
        return time.thread_time() - began

    def _run(self, job: Job) -> Any:
        try:
            return run_batch(self.engine, [job])[0]
        except Exception as error:
            if job.kind is JobKind.CONTROL and isinstance(error, ValueError):  # a refusal, such as an unknown style
                raise
            raise EngineFailure(f"the {job.kind.value} failed: {error}") from error
