"""Worker for virtual time that draws frames on a thread pool while the session continues.

Recognition and decoding depend on earlier jobs and run immediately, in order. Drawing depends on the motion alone, so a
RENDER job returns at once a frame that a thread fills in later; `finish` waits for it. The frames do not depend on the
number of threads.
Runs on: the caller's thread; drawing on its own thread pool.
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
"""Frame being drawn; the result is its CPU time in seconds."""


class DrawingWorker(InlineWorker):
    """Runs every job except RENDER on the caller's thread.

    Args:
        engine: `render` must be safe to call from ``threads`` threads at once.
        threads: drawing threads; a renderer that depends on previous frames needs exactly one.
        cpu_seconds: accumulates the CPU time of each kind of job.
    """

    def __init__(self, engine: Engine, threads: int, cpu_seconds: defaultdict[JobKind, float]) -> None:
        super().__init__(engine)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=THREAD_NAME)
        self._begun: list[Drawing] = []
        self._shape: tuple[int, ...] | None = None
        self._cpu_seconds = cpu_seconds

    def submit(self, job: AnyJob) -> None:
        """Runs the job, or starts drawing; waits for the first frame, which determines the shape of the others.

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
        """Return the drawings started since the last call."""
        begun, self._begun = self._begun, []
        return begun

    def finish(self, drawings: list[Drawing]) -> None:
        """Waits for drawings.

        Raises:
            EngineFailure: the renderer failed.
        """
        for drawing in drawings:
            self._cpu_seconds[JobKind.RENDER] += drawing.result()

    def close(self) -> None:
        """Stops the threads, cancels pending drawings and closes the slots."""
        self._pool.shutdown(cancel_futures=True)
        for slot in range(self._generation):
            self.engine.close(slot)

    def _begin(self, job: RenderJob) -> NDArray[np.uint8]:
        """Return the frame of a job; a thread fills it in, unless it is the first."""
        if self._shape is None:
            frame, seconds = self._pool.submit(self._first, job).result()
            self._cpu_seconds[JobKind.RENDER] += seconds
            self._shape = frame.shape
            return frame
        frame = np.empty(self._shape, np.uint8)
        self._begun.append(self._pool.submit(self._draw, job, frame))
        return frame

    def _first(self, job: RenderJob) -> tuple[NDArray[np.uint8], float]:
        """Return the first frame and the CPU time it took."""
        began = time.thread_time()
        return self._image(job), time.thread_time() - began

    def _draw(self, job: RenderJob, frame: NDArray[np.uint8]) -> float:
        """Fills ``frame``; returns the CPU time it took."""
        began = time.thread_time()
        frame[:] = self._image(job)
        return time.thread_time() - began

    def _image(self, job: RenderJob) -> NDArray[np.uint8]:
        with _engine_failures(job):
            return render_batch(self.engine, [job])[0].result


@contextmanager
def _engine_failures(job: AnyJob) -> Iterator[None]:
    """Converts every error to an EngineFailure, except rejections such as an unknown style."""
    try:
        yield
    except Exception as error:
        if isinstance(job, ControlJob) and isinstance(error, ValueError):
            raise
        raise EngineFailure(f"the {job.kind.value} failed: {error}") from error
