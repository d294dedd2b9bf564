"""Live session: delays incoming audio by D and plays it back in sync with the rendered face.

Runs on: event loop; models run on the worker. The pipeline is pulled by the clock: frame f is rendered when its
deadline approaches, from the audio recognized by then. Audio never waits for frames; a late frame is sent late. If
frames are often late, D grows for both; if the machine is overloaded, frame size and rate are reduced.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streaming.audio.drift import DriftFollower
from streaming.audio.phoneme_stream import PhonemeStream
from streaming.audio.ring_buffer import AudioRing
from streaming.clock import MediaClock
from streaming.engine import Engine, StyleChoice, StyleMotion
from streaming.frames.elastic_delay import DelaySeen, ElasticDelay
from streaming.frames.frame_buffer import FrameBuffer
from streaming.frames.frame_clock import FrameClock
from streaming.frames.pipeline import FramePipeline, MotionTap, SpeechEvent
from streaming.frames.presence import NATURAL, Presence
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk, RenderedFrame, TimedPhone
from streaming.queues import BoundedQueue
from streaming.scheduling.slots import SlotLease
from streaming.scheduling.worker import Worker
from streaming.stats import SessionStats
from streaming.units import FRAME_TICKS, PACKET_TICKS, Tick

AudioTap = Callable[[AudioChunk], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings chosen by the client."""

    avatar: str
    style: StyleChoice
    intensity: float = 1.0
    background: str = "keep"
    presence: Presence = NATURAL


class Session:
    """Audio and video pipeline of one client.

    Args:
        worker: runs the models.
        lease: the session's slot on it.
        plan: parts of the delay.
        clock: not yet started.
        settings: initial settings; the caller keeps track of later changes.
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
        """Callbacks that receive microphone audio as it arrives."""
        self._worker = worker
        self._opening = settings
        self._avatar = settings.avatar
        self._started = asyncio.Event()
        self._ring = AudioRing()
        self._phonemes = PhonemeStream(worker, lease)
        self._drift = DriftFollower(plan.receive)
        self._frame_clock = FrameClock(clock, plan, worker)
        self._elastic = ElasticDelay()
        self._frames = FrameBuffer(self._frame_clock, worker, self._elastic, self.stats)
        self._size = worker.ladder.rung.size
        self._shown = asyncio.Event()
        self._pipeline = FramePipeline(worker, lease, self._frame_clock, self._phonemes, self._ring, self._frames, seed)
        self._pipeline.set_presence(settings.presence)
        self._played: Tick = 0
        self._arrived: Tick = 0
        self._stale_before: Tick = 0

    # Lifecycle

    async def open(self) -> None:
        """Prepares the slot.

        Raises:
            Exception: raised by the engine, for example for an unknown avatar, style or background.
            ControlFailed: the engine failed.
            EngineFailure: the session has ended.
        """
        slot, wanted, size = self.lease.slot, self._opening, self._size
        await self._worker.prepare(wanted.avatar, size)
        motions: list[StyleMotion] = []

        def prepare(engine: Engine) -> None:
            engine.open(slot, wanted.avatar, wanted.style, wanted.intensity, wanted.background, size)
            motions.append(engine.style_motion(wanted.style, wanted.intensity))

        await self._worker.control(self.lease, prepare)
        self._pipeline.follow(motions[0], 0.0)

    def start(self, preroll: Tick | None = None) -> None:
        """Starts the clock; tick 0 is due in ``preroll`` ticks, by default as soon as the first frame can be ready."""
        self.clock.start(self.plan.preroll if preroll is None else preroll)
        self._started.set()

    async def wait_started(self) -> None:
        """Waits until the clock runs."""
        await self._started.wait()

    async def run(self) -> None:
        """Runs the session until cancelled.

        Raises:
            ExceptionGroup: containing one EngineFailure; the session has ended.
        """
        await self._started.wait()
        name = f"session {self.lease.slot}"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pipeline.run(), name=f"{name} frames")
            tasks.create_task(self._follow_size(), name=f"{name} size")

    # Audio input

    def push_audio(self, chunk: AudioChunk) -> None:
        """Accepts microphone audio in order, with gaps where packets were lost; ignored before the clock is started."""
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

    def tell_phones(self, phones: Sequence[TimedPhone]) -> None:
        """Accepts phones of audio at ticks of the session, which replace what is recognized in it."""
        for phone in phones:
            self._phonemes.timeline.tell(phone)

    @property
    def events(self) -> BoundedQueue[SpeechEvent]:
        """Speech start and stop events."""
        return self._pipeline.events

    @property
    def motion_taps(self) -> list[MotionTap]:
        """Callbacks that receive a frame's motion and its phone column (41,) before the frame is rendered."""
        return self._pipeline.taps

    @property
    def shown_index(self) -> int:
        """Index of the most recently sent frame, -1 before the first."""
        return -1 if self._frames.shown is None else self._frames.shown.index

    @property
    def size(self) -> int:
        """Width and height of the frames in pixels."""
        return self._size

    @property
    def frame_rate(self) -> int:
        """Target frame rate in frames per second."""
        return self._worker.ladder.rung.frame_rate

    @property
    def added_delay(self) -> Tick:
        """Ticks by which D currently exceeds the planned delay."""
        return self._elastic.added

    @property
    def played_tick(self) -> Tick:
        """Tick after the last sample sent."""
        return self._played

    @property
    def arrived_tick(self) -> Tick:
        """Tick after the last sample received."""
        return self._arrived

    def capture_tick(self) -> Tick:
        """Tick of the audio being captured now; 0 before the clock is started."""
        return self.clock.capture_tick() if self.clock.started else 0

    # Audio and video output

    async def next_audio(self) -> AudioChunk:
        """Waits until the next packet is due and returns it, (960,) int16; silence where no audio arrived."""
        await self._started.wait()
        self._stretch()
        start = self._played
        await self.clock.wait_until(self.clock.deadline(start))
        self._played = start + PACKET_TICKS
        self.stats.packets += 1
        return AudioChunk(start, self.epoch, self._ring.take(start, PACKET_TICKS))

    async def next_frame(self) -> RenderedFrame:
        """Waits until the next frame is due and ready, and returns it."""
        await self._started.wait()
        frame = await self._frames.next(lambda: self.epoch)
        self._shown.set()
        return frame

    def _stretch(self) -> None:
        """Adjusts D to the lateness of recent frames."""
        if step := self._elastic.step(self.clock.now(), quiet=self._pipeline.speaking_since is None):
            self.clock.delay += step
            self.stats.delay.follow(self.clock.delay)

    async def _follow_size(self) -> None:
        """Follows the frame size set by the worker; prepares smaller sizes in advance."""
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
            Index of the first frame rendered with it.

        Raises:
            Exception: raised by the engine, for example for an unknown style.
            ControlFailed: the engine failed.
        """
        slot = self.lease.slot
        motions: list[StyleMotion] = []

        def switch(engine: Engine) -> None:
            engine.set_style(slot, style, intensity, fade_s)
            motions.append(engine.style_motion(style, intensity))

        await self._worker.control(self.lease, switch)
        self._pipeline.follow(motions[0], fade_s)
        return self._next_frame + self.plan.renderer_frames

    async def set_avatar(self, avatar: str) -> int:
        """Switches to another avatar.

        Returns:
            Index of the first frame that shows it.

        Raises:
            Exception: raised by the engine, for example for an unknown avatar.
            ControlFailed: the engine failed.
        """
        slot = self.lease.slot
        await self._worker.prepare(avatar, self._size)
        await self._worker.control(self.lease, lambda engine: engine.set_avatar(slot, avatar))
        self._avatar = avatar
        return self._next_frame

    async def set_background(self, background: str) -> int:
        """Switches to another background.

        Returns:
            Index of the first frame that shows it.

        Raises:
            Exception: raised by the engine, for example for an unknown background.
            ControlFailed: the engine failed.
        """
        slot = self.lease.slot
        await self._worker.control(self.lease, lambda engine: engine.set_background(slot, background))
        return self._next_frame

    def set_presence(self, presence: Presence) -> int:
        """Fades to where and how the face is wanted to be; returns the index of the first frame."""
        self._pipeline.set_presence(presence)
        return self._next_frame

    @property
    def _next_frame(self) -> int:
        """The frame that is begun next."""
        return self._pipeline.next_tick // FRAME_TICKS


def _from(chunk: AudioChunk, tick: Tick) -> AudioChunk:
    """Return the part of ``chunk`` from ``tick`` on."""
    skip = min(max(0, tick - chunk.start), len(chunk.samples))
    return AudioChunk(chunk.start + skip, chunk.epoch, chunk.samples[skip:])
