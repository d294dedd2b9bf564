"""Passes a presentation on, as it is played, to something outside: an RTMP server or a virtual camera.

Runs on: event loop; the sink on a thread of its own, which a slow network may block. A sink that fails is opened again.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from server.sessions.presenter_session import Listener, PresenterSession
from streaming.media import AudioChunk, RenderedFrame
from streaming.queues import BoundedQueue, OnFull

logger = logging.getLogger(__name__)

ITEMS_HELD: Final = 160
"""Frames and packets that wait for the sink: two seconds."""
RETRY_SECONDS: Final = 5.0


class OutputFailed(Exception):
    """A sink cannot be opened or written to; the message is a sentence."""


class Sink(Protocol):
    """Takes a presentation."""

    def write(self, item: AudioChunk | RenderedFrame) -> None:
        """Passes one frame or packet on. Raises: OutputFailed."""

    def close(self) -> None:
        """Ends the output; never fails."""


class LiveOutput:
    """Passes one presentation on.

    Args:
        session: to pass on.
        open: opens the sink, for a first frame with this index.
        on_failure: called with a sentence when it begins to fail.
    """

    def __init__(
        self, session: PresenterSession, open: Callable[[int], Sink], on_failure: Callable[[str], None]
    ) -> None:
        self._session = session
        self._open = open
        self._on_failure = on_failure
        self._items: BoundedQueue[AudioChunk | RenderedFrame] = BoundedQueue(
            "live output", ITEMS_HELD, OnFull.DROP_OLDEST
        )
        self.connected = asyncio.Event()
        """Set when the sink has first been opened."""

    async def run(self) -> None:
        """Passes on until it is cancelled."""
        thread, failing = ThreadPoolExecutor(1, "live output"), False
        try:
            while True:
                try:
                    await self._pass_on(thread)
                except OutputFailed as failure:
                    logger.warning("live output: %s", failure)
                    if not failing:
                        self._on_failure(str(failure))
                    failing = True
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            thread.shutdown(wait=False)

    async def _pass_on(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        first = self._session.media_session.shown_index + 1
        sink = await loop.run_in_executor(thread, self._open, first)
        self._items.drain()
        self.connected.set()
        try:
            with self._session.listening(Listener(self._items.offer, self._items.offer)):
                while True:
                    await loop.run_in_executor(thread, sink.write, await self._items.get())
        finally:
            thread.submit(sink.close)
