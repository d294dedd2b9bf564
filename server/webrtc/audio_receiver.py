"""Audio receiver of the microphone: from RTP packets to ordered audio, without delay.

Runs on: event loop. A packet in order is released on arrival. After a gap the receiver waits for one more packet (or
20 ms) in case of reordering, then conceals the loss. The RTP timestamp places every packet on the session's ticks, so
that a loss leaves a gap and shifts nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from streaming.media import AudioChunk
from streaming.units import PACKET_TICKS, TICK_RATE, Tick

HELD_PACKETS = 2
HOLD_SECONDS = 0.020
FAR = 100
"""A jump of more packets than this means that the sender has restarted."""
FAR_TICKS: Tick = TICK_RATE // 2
FAR_PATIENCE: Tick = TICK_RATE
"""Audio that has been further than `FAR_TICKS` from the clock for this long is placed again; until then it is dropped,
because a network that stalls and then delivers everything at once soon recovers."""
GRID: Tick = 48


@dataclass(frozen=True, slots=True)
class _Packet:
    sequence: int
    timestamp: int
    payload: bytes


class OpusDecoder:
    """Decodes Opus packets to (n,) int16 mono 48 kHz."""

    def __init__(self) -> None:
        self._codec = av.AudioCodecContext.create("libopus", "r")
        self._codec.sample_rate = TICK_RATE
        self._codec.layout = "mono"
        self._codec.format = "s16"

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """Decodes one packet; a damaged one yields no samples."""
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError:
            return np.zeros(0, dtype=np.int16)
        planes = [memoryview(frame.planes[0]) for frame in frames]
        parts = [np.frombuffer(plane, np.int16, f.samples) for plane, f in zip(planes, frames, strict=True)]
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.int16), *parts])


class AudioReceiver:
    """Audio of one sender.

    Args:
        deliver: receives the audio in order; gaps between chunks are losses.
        capture_tick: tick of the audio being captured now; None before the session's clock runs.
    """

    def __init__(self, deliver: Callable[[AudioChunk], None], capture_tick: Callable[[], Tick | None]) -> None:
        self.received = 0
        self.lost = 0
        self.late = 0
        self.deliver = deliver
        """Receives decoded audio; wrap it to intercept."""
        self._capture_tick = capture_tick
        self._decoder = OpusDecoder()
        self._source: int | None = None
        self._expected: int | None = None
        self._held: dict[int, _Packet] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._base: Tick | None = None
        self._far_since: Tick | None = None
        self._rtp_origin = 0
        self._end: Tick = 0
        self._tail = np.zeros(0, dtype=np.int16)

    def close(self) -> None:
        """Discards held packets."""
        self._cancel_timer()
        self._held.clear()

    def packet(self, source: int, sequence: int, timestamp: int, payload: bytes) -> None:
        """Takes one RTP packet as it arrives, in any order."""
        if self._capture_tick() is None or not payload:
            return
        self.received += 1
        if source != self._source or self._expected is None or abs(_ahead(sequence, self._expected)) > FAR:
            self._source, self._expected, self._base = source, sequence, None
            self._held.clear()
        ahead = _ahead(sequence, self._expected)
        if ahead < 0:
            self.late += 1
            return
        self._held[ahead + self._expected] = _Packet(sequence, timestamp, payload)
        self._release()
        if len(self._held) >= HELD_PACKETS:
            self._give_up()
        elif self._held and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._give_up)

    def _release(self) -> None:
        """Releases all packets that are in order."""
        while self._expected is not None and (packet := self._held.pop(self._expected, None)):
            self._play(packet)
            self._expected += 1
        if not self._held:
            self._cancel_timer()
            if self._expected is not None:
                self._expected &= 0xFFFF

    def _give_up(self) -> None:
        """Gives up the missing packet and continues with the oldest held one."""
        self._cancel_timer()
        if self._held and self._expected is not None:
            oldest = min(self._held)
            self.lost += oldest - self._expected
            self._expected = oldest
            self._release()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _play(self, packet: _Packet) -> None:
        samples = self._decoder.decode(packet.payload)
        now = self._capture_tick()
        if now is None or not len(samples):
            return
        start = (now - len(samples)) // GRID * GRID
        if self._base is not None:
            placed = self._base + _signed32(packet.timestamp - self._rtp_origin)
            if abs(placed - start) <= FAR_TICKS:
                start, self._far_since = placed, None
            elif self._far_since is None or now - self._far_since < FAR_PATIENCE:
                self._far_since = now if self._far_since is None else self._far_since
                return
        self._base, self._rtp_origin, self._far_since = start, packet.timestamp, None
        gap = start - self._end
        if 0 < gap <= 2 * PACKET_TICKS and len(self._tail):
            self.deliver(AudioChunk(self._end, 0, conceal(self._tail, gap)))
        self.deliver(AudioChunk(start, 0, samples))
        self._tail = samples
        self._end = start + len(samples)


def conceal(before: NDArray[np.int16], count: int) -> NDArray[np.int16]:
    """Fills a gap of ``count`` samples with the audio before it, mirrored and faded out within one packet."""
    mirrored = np.zeros(count, dtype=np.float32)
    length = min(count, len(before), PACKET_TICKS)
    mirrored[:length] = before[::-1][:length] * np.linspace(1.0, 0.0, length, dtype=np.float32)
    return mirrored.astype(np.int16)


def _ahead(sequence: int, expected: int) -> int:
    """Return the 16-bit distance of ``sequence`` ahead of ``expected`` in packets; negative when behind."""
    return (sequence - expected + 0x8000 & 0xFFFF) - 0x8000


def _signed32(difference: int) -> int:
    return (difference + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
