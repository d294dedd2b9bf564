"""Audio input of a speaker: bytes that a program pushes become its utterances.

Runs on: event loop; long pieces are resampled on a thread. An utterance begins with its first sample and ends with
`commit`; a piece without a whole sample begins none.
"""

import asyncio
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.audio.pcm_stream import PcmStream
from streaming.errors import StreamingError
from streaming.speaker import Speaker
from streaming.speech_queue import QueueFull, Utterance
from streaming.units import TICK_RATE, Tick

INLINE_BYTES: Final = 32 * 1024
"""Pieces up to this length are resampled on the event loop, in a few milliseconds."""


class RateChanged(StreamingError, ValueError):
    """The sample rate must not change within an utterance."""

    code = "bad_message"
    status = 400


class AudioInput:
    """Pushed audio of one speaker."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._stream: PcmStream | None = None
        self._rate = 0
        self._newest: Utterance | None = None

    @property
    def utterance(self) -> Utterance | None:
        """The utterance that the next piece belongs to; None when it would begin another one."""
        return None if self._newest is None or self._newest.closed else self._newest

    @property
    def rate(self) -> int | None:
        """Sample rate of the open utterance."""
        return None if self._stream is None else self._rate

    def ticks(self, data: bytes, rate: int) -> Tick:
        """Return the room that a piece needs, or a little more.

        Raises:
            UnsupportedAudio: as `push`.
        """
        return (PcmStream(rate) if self.utterance is None or self._stream is None else self._stream).ticks(data)

    def push(self, data: bytes, rate: int) -> Utterance | None:
        """Appends a piece, see `PcmStream`, to the open utterance or a new one; returns the utterance.

        Raises:
            UnsupportedAudio: the rate or the WAV file cannot be used.
            RateChanged: the open utterance has another rate.
            QueueFull: there is no room for it; nothing was taken.
        """
        return self._append(self._stream_for(data, rate).push(data))

    async def push_long(self, data: bytes, rate: int) -> Utterance | None:
        """Like `push`, for a piece of any length."""
        stream = self._stream_for(data, rate)
        samples = stream.push(data) if len(data) <= INLINE_BYTES else await asyncio.to_thread(stream.push, data)
        return self._append(samples)

    def commit(self) -> Utterance | None:
        """Completes the open utterance and returns it; None when nothing has been pushed."""
        complete, self._stream = self.utterance, None
        if complete is not None:
            self._speaker.close(complete)
        return complete

    def _stream_for(self, data: bytes, rate: int) -> PcmStream:
        if self._newest is not None and self._newest.closed:
            self._newest = self._stream = None
        if self._stream is not None and data and rate != self._rate:
            raise RateChanged(f"the rate must not change within an utterance, from {self._rate} to {rate}")
        stream = self._stream or PcmStream(rate)
        if self._speaker.waiting and (ticks := stream.ticks(data)) > self._speaker.room:
            room, wanted = (value * 1000 // TICK_RATE for value in (self._speaker.room, ticks))
            raise QueueFull(f"there is room for {room} ms of audio, not for {wanted} ms; send it later")
        if data:
            self._stream, self._rate = stream, rate
        return stream

    def _append(self, samples: NDArray[np.int16]) -> Utterance | None:
        if not len(samples):
            return self.utterance
        self._newest = self.utterance or self._speaker.open()
        self._speaker.append(self._newest, samples)
        return self._newest
