"""One session: sound goes in, the same sound comes out D later together with the face that speaks it.

Runs on: event loop, models on the worker. Pull by clock: frame f is made because its deadline comes, with what is
known then. Sound never waits for pictures; one that is late is shown late. Where pictures often are, D grows for both;
where there is no time for them, they become smaller and fewer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from streaming.audio.drift import DriftFollower
from streaming.audio.phoneme_stream import PhonemeStream
from streaming.audio.ring_buffer import AudioRing
from streaming.clock import MediaClock
from streaming.engine import StyleChoice
from streaming.frames.elastic_delay import DelaySeen, ElasticDelay
from streaming.frames.frame_buffer import FrameBuffer
from streaming.frames.frame_clock import FrameClock
from streaming.frames.pipeline import FramePipeline, MotionTap, SpeechEvent
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk, RenderedFrame
from streaming.queues import BoundedQueue
from streaming.scheduling.slots import SlotLease
from streaming.scheduling.worker import Worker
from streaming.stats import SessionStats
from streaming.units import FRAME_TICKS, PACKET_TICKS, Tick

AudioTap = Callable[[AudioChunk], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the viewer chose."""

    avatar: str
    style: StyleChoice
    intensity: float = 1.0
    background: str = "keep"


class Session:
    """The pipeline of one viewer.

    Args:
        worker: runs the models.
        lease: the session's slot on it.
        plan: where the delay goes.
        clock: not yet started.
        settings: what to open with; who changes them later keeps them.
        seed: of the idle motion.
    """

    def __init__(
        self, worker: Worker, lease: SlotLease, plan: LatencyPlan, clock: MediaClock, settings: Settings, seed: int
    ) -> None:
        self.lease = lease
        self.plan = plan
        self.clock = clock
        self.stats = SessionStats(DelaySeen.of(plan.delay))
        self.level = 0.0
        """Root mean square of the newest microphone packet, full scale = 1."""
        self.epoch = 0
        self.audio_taps: list[AudioTap] = []
        """Get the microphone's sound as it comes."""
        self._worker = worker
        self._opening = settings
        self._avatar = settings.avatar
        self._started = asyncio.Event()
        self._ring = AudioRing()
        self._phonemes = PhonemeStream(worker, lease, clock.now)
        self._drift = DriftFollower(plan.receive)
        self._frame_clock = FrameClock(clock, plan, worker)
        self._elastic = ElasticDelay()
        self._frames = FrameBuffer(self._frame_clock, worker, self._elastic, self.stats)
        self._size = worker.ladder.rung.size
        self._shown = asyncio.Event()
        self._pipeline = FramePipeline(
            worker, lease, self._frame_clock, self._phonemes.timeline, self._ring, self._frames, seed
        )
        self._played: Tick = 0
        self._arrived: Tick = 0
        self._stale_before: Tick = 0

    # Life cycle

    async def open(self) -> None:
        """Prepares the slot.

        Raises:
            Exception: of the engine; there is no such avatar, style or background, for example.
            ControlFailed: the engine failed.
            EngineFailure: the session has ended.
        """
        slot, wanted, size = self.lease.slot, self._opening, self._size
        await self._worker.prepare(wanted.avatar, size)
        await self._worker.control(
            self.lease,
            lambda engine: engine.open(slot, wanted.avatar, wanted.style, wanted.intensity, wanted.background, size),
        )

    def start(self, preroll: Tick | None = None) -> None:
        """Starts the clock; tick 0 is due in ``preroll`` ticks, by default as soon as there can be a picture."""
        self.clock.start(self.plan.preroll if preroll is None else preroll)
        self._started.set()

    async def run(self) -> None:
        """Works until it is cancelled.

        Raises:
            ExceptionGroup: of one EngineFailure; the session is over.
        """
        await self._started.wait()
        name = f"session {self.lease.slot}"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._phonemes.run(), name=f"{name} recognize")
            tasks.create_task(self._pipeline.run(), name=f"{name} frames")
            tasks.create_task(self._follow_size(), name=f"{name} size")

    # Sound in

    def push_audio(self, chunk: AudioChunk) -> None:
        """Takes microphone sound, in order, with gaps where packets were lost; ignored before the clock runs."""
        if not self._started.is_set():
            return
        if chunk.start < self._arrived:
            chunk = _from(chunk, self._arrived)
        if not len(chunk.samples):
            return
        quiet = self._pipeline.speaking_since is None
        if slip := self._drift.arrived(self.clock.capture_tick() - chunk.end, quiet):
            self.clock.slip(slip)
            self.stats.slips += 1
        gap = chunk.start - self._arrived
        if gap > 0 and self._arrived:
            self.stats.concealed += gap
        self._arrived = chunk.end
        self._phonemes.put(chunk)
        for tap in self.audio_taps:
            tap(chunk)
        audible = _from(chunk, max(self._played, self._stale_before))
        self._ring.write(audible.start, audible.samples)
        self.level = self._ring.level(audible.start, len(audible.samples)) if len(audible.samples) else 0.0

    @property
    def events(self) -> BoundedQueue[SpeechEvent]:
        """Beginnings and ends of speech."""
        return self._pipeline.events

    @property
    def motion_taps(self) -> list[MotionTap]:
        """Get a frame's motion and its phone column (41,) once they are known, before the picture is made."""
        return self._pipeline.taps

    @property
    def shown_index(self) -> int:
        """The newest frame that was handed out."""
        return -1 if self._frames.shown is None else self._frames.shown.index

    @property
    def size(self) -> int:
        """Width and height of the pictures in pixels."""
        return self._size

    @property
    def frame_rate(self) -> int:
        """Pictures a second that are meant to be shown."""
        return self._worker.ladder.rung.frame_rate

    @property
    def added_delay(self) -> Tick:
        """By how much D is longer than planned."""
        return self._elastic.added

    @property
    def played_tick(self) -> Tick:
        """Tick after the newest sample that was handed out."""
        return self._played

    @property
    def arrived_tick(self) -> Tick:
        """Tick after the newest sample that has come."""
        return self._arrived

    def capture_tick(self) -> Tick:
        """Tick of the sound that is being spoken now."""
        return self.clock.capture_tick() if self.clock.started else 0

    # Sound and pictures out

    async def next_audio(self) -> AudioChunk:
        """Waits until the next packet is due and returns it, (960,) int16; silence where no sound came."""
        await self._started.wait()
        self._stretch()
        start = self._played
        await self.clock.wait_until(self.clock.deadline(start))
        self._played = start + PACKET_TICKS
        self.stats.packets += 1
        return AudioChunk(start, self.epoch, self._ring.take(start, PACKET_TICKS))

    async def next_frame(self) -> RenderedFrame:
        """Waits until the next picture is due and ready, and returns it."""
        await self._started.wait()
        frame = await self._frames.next(lambda: self.epoch)
        self._shown.set()
        return frame

    def _stretch(self) -> None:
        """Changes D where pictures ask for it."""
        if step := self._elastic.step(self.clock.now(), quiet=self._pipeline.speaking_since is None):
            self.clock.delay += step
            self.stats.delay.follow(self.clock.delay)

    async def _follow_size(self) -> None:
        """Makes the pictures as large as the worker says; smaller ones are prepared while there is time."""
        prepared = set[tuple[str, int]]()
        while True:
            await self._shown.wait()
            self._shown.clear()
            if (size := self._worker.ladder.rung.size) != self._size:
                await self._resize(size)
            wanted = {(self._avatar, rung.size) for rung in self._worker.ladder.rungs if rung.size < self._size}
            for avatar, smaller in sorted(wanted - prepared, reverse=True)[:1]:
                prepared.add((avatar, smaller))
                await self._worker.prepare(avatar, smaller)

    async def _resize(self, size: int) -> None:
        slot = self.lease.slot
        await self._worker.prepare(self._avatar, size)
        await self._worker.control(self.lease, lambda engine: engine.set_size(slot, size))
        self._size = size
        self.stats.size_changes += 1

    # Control

    def interrupt(self) -> Tick:
        """Stops the avatar: silence from the next packet, the mouth closes from what is on screen.

        Returns:
            Ticks of the current utterance that were really played.
        """
        since = self._pipeline.speaking_since
        played = 0 if since is None else max(0, self._played - since)
        self.epoch += 1
        self._stale_before = max(self._arrived, self.capture_tick())
        self._ring.silence(self._played, self._ring.end)
        self._phonemes.forget(self._stale_before)
        self._pipeline.interrupt(self.epoch)
        return played

    async def set_style(self, style: StyleChoice, intensity: float, fade_s: float) -> int:
        """Cross-fades to a style.

        Returns:
            The first frame that is made with it.

        Raises:
            Exception: of the engine; there is no such style, for example.
            ControlFailed: the engine failed.
        """
        slot = self.lease.slot
        await self._worker.control(self.lease, lambda engine: engine.set_style(slot, style, intensity, fade_s))
        return self._next_frame

    async def set_avatar(self, avatar: str) -> int:
        """Shows another portrait.

        Returns:
            The first frame that shows it.

        Raises:
            Exception: of the engine; there is no such avatar, for example.
            ControlFailed: the engine failed.
        """
        slot = self.lease.slot
        await self._worker.prepare(avatar, self._size)
        await self._worker.control(self.lease, lambda engine: engine.set_avatar(slot, avatar))
        self._avatar = avatar
        return self._next_frame

    async def set_background(self, background: str) -> int:
        """Shows something else behind the person.

        Returns:
            The first frame that shows it.

        Raises:
            Exception: of the engine; there is no such background, for example.
            ControlFailed: the engine failed.
        """
        slot = self.lease.slot
        await self._worker.control(self.lease, lambda engine: engine.set_background(slot, background))
        return self._next_frame

    @property
    def _next_frame(self) -> int:
        """The frame that is begun next."""
        return self._pipeline.next_tick // FRAME_TICKS


def _from(chunk: AudioChunk, tick: Tick) -> AudioChunk:
    """The part of ``chunk`` from ``tick`` on."""
    skip = min(max(0, tick - chunk.start), len(chunk.samples))
    return AudioChunk(chunk.start + skip, chunk.epoch, chunk.samples[skip:])
