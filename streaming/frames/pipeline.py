"""Frame pipeline of a session: audio to phones, phones to expression, expression to motion, motion to frame.

Runs on: event loop; recognizer, decoder and renderer run on the worker. The clock triggers frames. A frame once started
is always finished; frames whose time passes in the meantime are skipped.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.audio.phoneme_stream import PhonemeStream
from streaming.audio.ring_buffer import AudioRing
from streaming.engine import StyleMotion
from streaming.frames.composer import Composer
from streaming.frames.frame_buffer import FrameBuffer
from streaming.frames.frame_clock import FrameClock
from streaming.frames.presence import Presence
from streaming.media import MotionFrame, RenderedFrame
from streaming.queues import BoundedQueue, OnFull
from streaming.scheduling.slots import SlotLease
from streaming.scheduling.worker import Worker
from streaming.units import CONTEXT, FRAME_TICKS, Tick

SPEECH_AHEAD: Final = 3
"""Look-ahead in frames for the detection of speech onset."""
MOTIONS_KEPT: Final = 24
"""More than the 13 frames by which motion may be ahead of its frame."""
FRAMES_TIMED: Final = 5
"""Number of recent frames whose median gives the frame time."""
MotionTap = Callable[[MotionFrame, NDArray[np.float32]], None]


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """Start or stop of speech at frame ``frame``."""

    frame: int
    started: bool


class FramePipeline:
    """Frame pipeline of one session.

    Args:
        worker: runs decoder and renderer.
        lease: the session's slot on it.
        frame_clock: start and due times of frames.
        phonemes: recognizes the queued audio before each frame.
        ring: audio, for its loudness.
        frames: receives the rendered frames.
        seed: random seed of the idle motion.
    """

    def __init__(
        self,
        worker: Worker,
        lease: SlotLease,
        frame_clock: FrameClock,
        phonemes: PhonemeStream,
        ring: AudioRing,
        frames: FrameBuffer,
        seed: int,
    ) -> None:
        self.events: BoundedQueue[SpeechEvent] = BoundedQueue("speech events", 16, OnFull.DROP_OLDEST)
        self.taps: list[MotionTap] = []
        self.next_tick: Tick = 0
        """Start tick of the next frame to be rendered."""
        self.speaking_since: Tick | None = None
        """Start tick of the frame in which the current speech started; None in silence."""
        self._worker = worker
        self._lease = lease
        self._frame_clock = frame_clock
        self._phonemes = phonemes
        self._timeline = phonemes.timeline
        self._ring = ring
        self._frames = frames
        self._composer = Composer(seed)
        self._motions: deque[MotionFrame] = deque(maxlen=MOTIONS_KEPT)
        self._epoch = 0
        self._took: deque[float] = deque([0.0], maxlen=FRAMES_TIMED)  # seconds

    async def run(self) -> None:
        """Renders frames as they fall due, until cancelled.

        Raises:
            EngineFailure: recognizer, decoder or renderer failed.
        """
        clock, tick = self._frame_clock.clock, -self._frame_clock.stride
        while True:
            usual = sorted(self._took)[len(self._took) // 2]
            tick = self.next_tick = self._frame_clock.next(tick, usual)
            await clock.wait_until(self._frame_clock.begin(tick))
            self.next_tick = tick + self._frame_clock.stride
            began = clock.now()
            await self._make(tick)
            self._took.append(clock.now() - began)

    def set_presence(self, presence: Presence) -> None:
        """Fades to where and how the face is wanted to be, from the next frame on."""
        self._composer.set_presence(presence)

    def follow(self, style: StyleMotion, fade_s: float) -> None:
        """Moves head and upper face in the manner of a style, cross-faded over ``fade_s`` seconds."""
        self._composer.follow(style, fade_s)

    def interrupt(self, epoch: int) -> None:
        """Closes the mouth from the last displayed frame; frames from here on belong to ``epoch``."""
        self._epoch = epoch
        shown = -1 if self._frames.shown is None else self._frames.shown.tick
        self._composer.interrupt(next((motion for motion in self._motions if motion.tick == shown), None))
        if self.speaking_since is not None:
            self._emit_speech(self.next_tick, False)

    async def _make(self, tick: Tick) -> None:
        due, epoch = self._frame_clock.due(tick), self._epoch
        moved = tick + self._frame_clock.motion_ahead
        await self._phonemes.recognize(due)
        window, _ = self._timeline.window(moved)
        decoded = await self._worker.decode(self._lease, window, due)
        speech = any(self._timeline.speech(moved + ahead * FRAME_TICKS) for ahead in range(SPEECH_AHEAD))
        if speech != (self.speaking_since is not None):
            self._emit_speech(moved, speech)
        level = self._ring.level(moved, FRAME_TICKS)
        motion = self._composer.compose(moved, epoch, decoded, speech, level)
        self._motions.append(motion)
        for tap in self.taps:
            tap(motion, window[CONTEXT])
        yuv = await self._worker.render(self._lease, motion, due)
        self._frames.put(RenderedFrame(tick, epoch, yuv))

    def _emit_speech(self, tick: Tick, started: bool) -> None:
        self.speaking_since = tick if started else None
        self.events.offer(SpeechEvent(tick // FRAME_TICKS, started))
