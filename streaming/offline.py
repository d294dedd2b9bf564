"""Offline session: speaks queued utterances in virtual time, as fast as the machine can.

Every frame is computed exactly as in a live session, with the same look-ahead and windows; only drawing, on which
nothing else depends, is spread over threads. Time advances only as far as audio is known: while an utterance is open
and its audio has run out, time stands still.
Runs on: one thread at a time, and the drawing threads.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from streaming.avatar.audio_input import AudioInput
from streaming.avatar.spoken_session import PlayedPacket, SpokenMedia, SpokenSession
from streaming.clock import MediaClock
from streaming.engine import Engine, StyleChoice
from streaming.errors import first_leaf
from streaming.frames.drawing import Drawing, DrawingWorker
from streaming.frames.presence import Presence
from streaming.latency import LatencyPlan
from streaming.media import RenderedFrame
from streaming.scheduling.jobs import JobKind
from streaming.session import Session, Settings
from streaming.speaker import TRAIL, Interruption
from streaming.units import FRAME_TICKS, PACKET_TICKS, Tick
from streaming.virtual_time import VirtualTimeLoop

FRAMES_PER_THREAD: Final = 4
"""Frames being drawn or queued per thread, so that drawing continues while the session processes speech."""
UNLIMITED: Tick = 1 << 62
"""Capacity of the speech queue: what is to be spoken is in memory anyhow."""


@dataclass(frozen=True, slots=True)
class OfflineFrame:
    """One frame: ``yuv`` (H*3//2, W) uint8 yuv420p and its audio, (1600,) int16 48 kHz."""

    index: int
    yuv: NDArray[np.uint8]
    samples: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class _Made:
    """Media of the session and the drawings started since the previous one, a frame's own among them."""

    media: SpokenMedia
    drawings: list[Drawing]


class OfflineSession:
    """Speaks in virtual time; whoever takes its media with `next` drives it.

    Args:
        engine: need not be warm; `render` must be safe to call from ``threads`` threads at once.
        settings: avatar, style, intensity.
        future_frames: look-ahead as in `streaming.latency.LatencyPlan`.
        seed: random seed of the idle motion.
        threads: drawing threads; the frames do not depend on the number.
        frames_ahead: frames that are begun before the oldest one is handed out.
        cpu_seconds: accumulates the CPU time of each kind of job.
        renderer_frames: look-ahead as in `streaming.latency.LatencyPlan`.

    Raises:
        Exception: raised by the engine, for example for an unknown avatar or style.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        future_frames: int = 2,
        seed: int = 0,
        threads: int = 1,
        frames_ahead: int = FRAMES_PER_THREAD,
        cpu_seconds: defaultdict[JobKind, float] | None = None,
        renderer_frames: int = 0,
    ) -> None:
        usage = defaultdict[JobKind, float](float) if cpu_seconds is None else cpu_seconds
        self._worker = DrawingWorker(engine, threads, usage)
        self._runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self._loop = self._runner.get_loop()  # `Runner.run` would set up a signal handler for each frame
        self._frames_ahead = frames_ahead
        plan = LatencyPlan(engine.recognizer_delay_ticks, future_frames, renderer_frames=renderer_frames)
        self._made: deque[_Made] = deque()
        self._frames_made = 0
        self._end: Tick | None = None
        self._frames_end: Tick = 0
        self._audio_end: Tick = 0
        self._framed = asyncio.Event()
        try:
            self._spoken, self._running = self._loop.run_until_complete(self._start(plan, settings, seed))
        except BaseException:
            self.close()
            raise
        self.speaker = self._spoken.speaker
        self.audio = AudioInput(self.speaker)

    async def _start(
        self, plan: LatencyPlan, settings: Settings, seed: int
    ) -> tuple[SpokenSession, "asyncio.Task[None]"]:
        """Opens the session and starts its clock, so that the first utterance begins at tick 0."""
        loop = asyncio.get_running_loop()
        session = Session(self._worker, self._worker.lease(), plan, MediaClock(plan.delay, loop.time), settings, seed)
        await session.open()
        spoken = SpokenSession(session, self._deliver, plan.delay + plan.preroll, UNLIMITED, head_start=0)
        running = loop.create_task(spoken.run(), name="offline session")
        await asyncio.sleep(0)
        return spoken, running

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session and the threads; an interrupt is raised once, and not logged by each of the tasks."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        while not all(task.done() for task in tasks):
            with suppress(KeyboardInterrupt):  # each task that ends with it stops the loop once more
                self._loop.run_until_complete(asyncio.wait(tasks))
        for task in tasks:
            if not task.cancelled():
                task.exception()
        try:
            self._worker.close()
        finally:
            self._runner.close()

    # Input

    def finish(self) -> None:
        """Ends the input; the media end with the frame that shows the end of the last utterance."""
        self.audio.commit()
        self._end = self.speaker.end

    def set_style(self, style: StyleChoice, intensity: float, fade_s: float) -> None:
        """Cross-fades to a style from the frame that is begun next. Raises: as `Session.set_style`."""
        self._loop.run_until_complete(self._spoken.session.set_style(style, intensity, fade_s))

    def set_presence(self, presence: Presence) -> None:
        """Fades to where and how the face is wanted to be from the frame that is begun next."""
        self._spoken.session.set_presence(presence)

    def interrupt(self) -> Interruption:
        """Stops speaking with the next packet; media up to there are still handed out."""
        return self._spoken.interrupt()

    # Output

    def next(self) -> SpokenMedia | None:
        """Return what is due next; None when more audio is needed, or after `finish` when everything was handed out.

        Raises:
            EngineFailure: a model failed.
        """
        while not self._made or self._frames_made <= self._frames_ahead:
            if self._over or not self._loop.run_until_complete(self._advance()):
                break
        if not self._made:
            return None
        made = self._made.popleft()
        self._worker.finish(made.drawings)
        self._frames_made -= isinstance(made.media, RenderedFrame)
        return made.media

    @property
    def _over(self) -> bool:
        return self._end is not None and min(self._frames_end, self._audio_end) >= self._end

    def _deliver(self, media: SpokenMedia) -> None:
        """Keeps what is due, apart from what comes after the end."""
        end = UNLIMITED if self._end is None else self._end
        drawings = self._worker.begun()
        if isinstance(media, RenderedFrame):
            self._framed.set()
            if media.tick >= end:
                return
            self._frames_end = media.tick + FRAME_TICKS
            self._frames_made += 1
        elif isinstance(media, PlayedPacket):
            if media.audio.start >= end:
                return
            self._audio_end = media.audio.end
        self._made.append(_Made(media, drawings))

    async def _advance(self) -> bool:
        """Runs the session to its next frame; false when time must not go on without more audio."""
        self._framed.clear()
        framed = asyncio.ensure_future(self._framed.wait())
        await asyncio.wait({framed, self._running}, timeout=self._seconds_known(), return_when=asyncio.FIRST_COMPLETED)
        framed.cancel()
        if self._running.done():
            error = self._running.exception()
            raise first_leaf(error) if error else RuntimeError("the session ended before the recording")
        return self._framed.is_set()

    def _seconds_known(self) -> float | None:
        """Return the seconds of virtual time for which all audio to be captured is known; None: forever."""
        if self._end is not None:
            return None
        clock, supplied, end = self._spoken.session.clock, self.speaker.supplied_until, self.speaker.end
        if supplied is not None:
            tick = supplied // PACKET_TICKS * PACKET_TICKS + PACKET_TICKS // 2
        else:
            tick = end + TRAIL + 2 * clock.delay if end else 0
        return max(0.0, clock.deadline(tick - clock.delay) - clock.now())


def render(
    engine: Engine,
    samples: NDArray[np.int16],
    settings: Settings,
    future_frames: int = 2,
    seed: int = 0,
    threads: int = 1,
    cpu_seconds: defaultdict[JobKind, float] | None = None,
    renderer_frames: int = 0,
) -> Generator[OfflineFrame, None, None]:
    """Yields the frames of a recording, ceil(n / 1600) of them.

    Args:
        engine, settings, future_frames, seed, threads, cpu_seconds, renderer_frames: as of `OfflineSession`.
        samples: (n,) int16 mono 48 kHz.

    Raises:
        Exception: raised by the engine, for example for an unknown avatar or style.
    """
    ahead = FRAMES_PER_THREAD * threads
    with OfflineSession(engine, settings, future_frames, seed, threads, ahead, cpu_seconds, renderer_frames) as session:
        utterance = session.speaker.open()
        session.speaker.append(utterance, samples)
        session.speaker.close(utterance)
        session.finish()
        while (media := session.next()) is not None:
            if isinstance(media, RenderedFrame):
                yield OfflineFrame(media.index, media.yuv, _cut(samples, media.tick))


def _cut(samples: NDArray[np.int16], start: Tick) -> NDArray[np.int16]:
    """Return the samples of the frame at ``start``, (1600,), padded with silence."""
    cut = samples[start : start + FRAME_TICKS]
    return np.concatenate([cut, np.zeros(FRAME_TICKS - len(cut), np.int16)]) if len(cut) < FRAME_TICKS else cut
