"""Records when the frames of a session pass the stages of the pipeline, and marks some frames with a flash.

Runs on: event loop, attached to a live session by a benchmark. A flash is a white corner in the frame of the tick at
which a burst of audio begins, so that the page can identify the displayed frame by its pixels.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from aiortc import RTCRtpSender

from server.sessions.microphone_session import MicrophoneSession
from server.webrtc.vp8_encoder import VIDEO_CLOCK_RATE
from streaming.clock import monotonic
from streaming.media import AudioChunk, RenderedFrame
from streaming.scheduling.batch_worker import BatchWorker
from streaming.scheduling.jobs import AnyJob, DecodeJob, RenderJob
from streaming.units import FRAME_TICKS, TICK_RATE, Tick

THRESHOLD = 3_000
QUIET_SECONDS = 0.2
FLASH_PIXELS = 48
WHITE = 235


@dataclass(frozen=True, slots=True)
class Onset:
    """Start of a burst at ``tick``: arrival time of its packet and capture time of the tick by the session clock, both
    in seconds since the epoch; ``rest`` ticks of the packet follow the onset."""

    tick: Tick
    arrived: float
    captured: float
    rest: Tick


@dataclass(slots=True)
class FrameMoments:
    """Times at which a frame passed the stages, in seconds since the epoch; 0 for stages it did not pass."""

    captured: float = 0.0
    decoding: float = 0.0
    decoded: float = 0.0
    rendering: float = 0.0
    rendered: float = 0.0
    handed_out: float = 0.0
    encoded: float = 0.0
    sent: float = 0.0

    @property
    def complete(self) -> bool:
        return all((self.decoding, self.decoded, self.rendering, self.rendered, self.handed_out, self.sent))


@dataclass(slots=True)
class Stopwatch:
    """Records a session from its creation on; created and read on the event loop.

    Attributes:
        onsets: starts of the bursts received from the microphone.
        flashes: ticks of the frames sent with a white corner.
        frames: times of the rendered frames that were sent, by the tick at which they begin.
    """

    session: MicrophoneSession
    worker: BatchWorker
    onsets: list[Onset] = field(default_factory=list)
    flashes: list[Tick] = field(default_factory=list)
    frames: dict[Tick, FrameMoments] = field(default_factory=dict)
    _decoding: dict[float, tuple[float, float]] = field(default_factory=dict)
    _quiet: Tick = 0

    def __post_init__(self) -> None:
        session, audio_receiver = self.session.media_session, self.session.audio_receiver
        sender = next(t.sender for t in self.session.peer.getTransceivers() if t.kind == "video")
        audio_receiver.deliver = partial(self._deliver, audio_receiver.deliver)
        session.next_frame = partial(self._next_frame, session.next_frame)  # type: ignore[method-assign]
        self.worker.submit = partial(self._submit, self.worker.submit)  # type: ignore[method-assign]
        self._watch_sender(sender)

    def now(self) -> float:
        """Seconds since the epoch on the session's clock."""
        clock = self.session.media_session.clock
        return monotonic() + clock.unix_deadline(0) - clock.deadline(0)

    def captured(self, tick: Tick) -> float:
        """Returns the time of ``tick`` by the session's clock."""
        clock = self.session.media_session.clock
        return clock.unix_deadline(tick) - clock.delay / TICK_RATE

    def _deliver(self, deliver: Callable[[AudioChunk], None], chunk: AudioChunk) -> None:
        loud = np.flatnonzero(np.abs(chunk.samples.astype(np.int32)) > THRESHOLD)
        if len(loud):
            tick = chunk.start + int(loud[0])
            if self._quiet + loud[0] > QUIET_SECONDS * TICK_RATE:
                self.onsets.append(Onset(tick, self.now(), self.captured(tick), chunk.end - tick))
            self._quiet = len(chunk.samples) - 1 - int(loud[-1])
        else:
            self._quiet += len(chunk.samples)
        deliver(chunk)

    def _submit(self, submit: Callable[[AnyJob], None], job: AnyJob) -> None:
        began = self.now()
        submit(job)
        if isinstance(job, DecodeJob):
            job.answer.add_done_callback(lambda _: self._decoding.update({job.deadline: (began, self.now())}))
        elif isinstance(job, RenderJob):
            decoding, decoded = self._decoding.pop(job.deadline, (0.0, 0.0))
            tick = job.motion.tick
            frame = self.frames[tick] = FrameMoments(self.captured(tick), decoding, decoded, began)
            job.answer.add_done_callback(lambda _: setattr(frame, "rendered", self.now()))

    async def _next_frame(self, next_frame: Callable[[], Awaitable[RenderedFrame]]) -> RenderedFrame:
        frame = await next_frame()
        tick = frame.tick
        if tick not in self.frames:
            return frame
        self.frames[tick].handed_out = self.now()
        if not any(tick <= onset.tick < tick + FRAME_TICKS for onset in self.onsets[-3:]):
            return frame
        self.flashes.append(tick)
        return flashing(frame)

    def _watch_sender(self, sender: RTCRtpSender) -> None:
        original: Callable[[Any], Awaitable[Any]] = sender._next_encoded_frame
        last: FrameMoments | None = None

        async def next_encoded_frame(codec: Any) -> Any:  # called again as soon as a frame has been sent
            nonlocal last
            if last is not None:
                last.sent = self.now()
            encoded = await original(codec)
            last = None if encoded is None else self.frames.get(encoded.timestamp * TICK_RATE // VIDEO_CLOCK_RATE)
            if last is not None:
                last.encoded = self.now()
            return encoded

        sender._next_encoded_frame = next_encoded_frame  # type: ignore[method-assign]


def flashing(frame: RenderedFrame) -> RenderedFrame:
    """The same frame with a white corner."""
    yuv, size = frame.yuv.copy(), frame.yuv.shape[1]
    yuv[:FLASH_PIXELS, :FLASH_PIXELS] = WHITE
    chroma = yuv[size:].reshape(2, size // 2, size // 2)  # both planes; white has neutral chroma
    chroma[:, : FLASH_PIXELS // 2, : FLASH_PIXELS // 2] = 128
    return replace(frame, yuv=yuv)
