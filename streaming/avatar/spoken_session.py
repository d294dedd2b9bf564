"""Session that speaks queued utterances: frames, audio and playback events, as they are due.

Runs on: event loop. What presenters of the server, the Python API and offline rendering have in common. The clock runs
from the start; between utterances the face idles.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from streaming.media import AudioChunk, RenderedFrame
from streaming.session import Session
from streaming.speaker import Interruption, PlayedPart, Speaker, SpokenEvent
from streaming.speech_queue import CAPACITY, HEAD_START
from streaming.units import Tick


@dataclass(frozen=True, slots=True)
class PlayedPacket:
    """A packet of 20 ms, and the same audio by utterance."""

    audio: AudioChunk
    parts: tuple[PlayedPart, ...]


SpokenMedia = PlayedPacket | RenderedFrame | SpokenEvent
"""An event comes by itself only when an interruption leaves no packet to tell it with."""


class SpokenSession:
    """Speaks through one session.

    Args:
        session: open; its clock is started by `run`.
        deliver: takes audio and frames when they are due.
        preroll: from the start to playback of tick 0; None: as soon as the first frame can be ready.
        capacity, head_start: of the speech queue.
    """

    def __init__(
        self,
        session: Session,
        deliver: Callable[[SpokenMedia], None],
        preroll: Tick | None = None,
        capacity: Tick = CAPACITY,
        head_start: Tick = HEAD_START,
    ) -> None:
        self.session = session
        self.speaker = Speaker(session, capacity, head_start)
        self._deliver = deliver
        self._preroll = preroll

    async def run(self) -> None:
        """Runs until cancelled.

        Raises:
            ExceptionGroup: containing one EngineFailure; the session has ended.
        """
        self.session.start(self._preroll)
        async with asyncio.TaskGroup() as tasks:
            for part in (self.session.run, self.speaker.run, self._play, self._show):
                tasks.create_task(part(), name=f"session {self.session.lease.slot} {part.__name__}")

    def interrupt(self) -> Interruption:
        """Stops speaking with the next packet and discards all queued speech."""
        for event in self.speaker.played():
            self._deliver(event)
        return self.speaker.interrupt()

    async def _play(self) -> None:
        while True:
            audio = await self.session.next_audio()
            self._deliver(PlayedPacket(audio, tuple(self.speaker.parts(audio))))

    async def _show(self) -> None:
        while True:
            self._deliver(await self.session.next_frame())
