"""A worker for virtual time that draws frames on threads while the session goes on.

Recognition and decoding run at once, in the session's order, since each depends on what came before. Drawing depends
on the motion alone, so a RENDER job is answered at once with a frame that a thread fills in later; `finish` waits for
it. The frames are the same for any number of threads.
Runs on: the caller's thread; the drawing on a thread pool of its own.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from streaming.engine import Engine
from streaming.errors import EngineFailure
from streaming.scheduling.jobs import AnyJob, ControlJob, JobKind, RenderJob
from streaming.scheduling.scheduler import render_batch, run_batch
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

    def submit(self, job: AnyJob) -> None:
        """Runs the job, or begins to draw; the first frame is drawn at once and tells the shape of the others.

        Raises:
            EngineFailure: the engine failed.
        """
        if isinstance(job, RenderJob):
            job.deliver(self._begin(job))
            return
        began = time.thread_time()
        with _engine_failures(job):
            answers = run_batch(self.engine, [job])
        self._cpu_seconds[job.kind] += time.thread_time() - began
        for answer in answers:
            answer.deliver()

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

    def _begin(self, job: RenderJob) -> NDArray[np.uint8]:
        """The frame of a job; a thread fills it in, unless it is the first."""
        if self._shape is None:
            began = time.thread_time()
            frame = self._picture(job)
            self._cpu_seconds[JobKind.RENDER] += time.thread_time() - began
            self._shape = frame.shape
            return frame
        frame = np.empty(self._shape, np.uint8)
        self._begun.append(self._pool.submit(self._draw, job, frame))
        return frame

    def _draw(self, job: RenderJob, frame: NDArray[np.uint8]) -> float:
        """Fills ``frame``; returns the processor time that it took."""
        began = time.thread_time()
        frame[:] = self._picture(job)
        return time.thread_time() - began

    def _picture(self, job: RenderJob) -> NDArray[np.uint8]:
        with _engine_failures(job):
            return render_batch(self.engine, [job])[0].result


@contextmanager
def _engine_failures(job: AnyJob) -> Iterator[None]:
    """Tells every error as an EngineFailure, apart from refusals, such as of an unknown style."""
    try:
        yield
    except Exception as error:
        if isinstance(job, ControlJob) and isinstance(error, ValueError):
            raise
        raise EngineFailure(f"the {job.kind.value} failed: {error}") from error
