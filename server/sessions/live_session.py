"""Base of live sessions: one slot of the worker, one clock, and optional viewers.

Runs on: event loop. There are two kinds: a call, driven by a client's microphone, and a presentation, driven by the
audio or text that a program sends.
"""

import asyncio
import secrets

from server.sessions.viewers import Viewers
from streaming.clock import monotonic
from streaming.errors import EngineFailure, first_leaf
from streaming.scheduling.batch_worker import BatchWorker
from streaming.session import Session
from streaming.speaker import Interruption
from streaming.tasks import cancel
from streaming.units import FRAME_TICKS


class LiveSession:
    """Runs in `run` until `ended` is set."""

    def __init__(self, session: Session, worker: BatchWorker) -> None:
        self.id = secrets.token_urlsafe(12)
        self.media_session = session
        self.began = monotonic()
        self.ended = asyncio.Event()
        self.viewers = Viewers()
        self._worker = worker

    def abandoned(self, now: float, last_message: float | None) -> bool:
        """True when the client has vanished; ``last_message`` is the time of its last message (None: no channel)."""
        return last_message is None

    def interrupt(self) -> Interruption:
        """Stops the avatar: silence from the next packet on."""
        played = self.media_session.interrupt()
        return Interruption(None, played, self.media_session.played_tick // FRAME_TICKS, ())

    async def work(self) -> None:
        """The coroutines that run for the whole session."""
        await self.media_session.run()

    async def run(self) -> str | None:
        """Runs until `ended` is set.

        Returns:
            The error for the client; None when it ended the session itself.
        """
        problem = None
        ended = asyncio.create_task(self.ended.wait(), name=f"performance {self.id} end")
        working = asyncio.create_task(self.work(), name=f"performance {self.id} work")
        try:
            await asyncio.wait({ended, working}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
        except* EngineFailure as failures:
            problem = str(first_leaf(failures))
        finally:
            await cancel(ended, working)
            await self.aclose()
        return problem

    async def aclose(self) -> None:
        """Disconnects the viewers and releases the slot."""
        await self.viewers.aclose()
        await self._worker.release(self.media_session.lease)
