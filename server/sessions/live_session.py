"""A session at work: one slot of the worker, one clock, and an viewers that may watch.

Runs on: event loop. There are two kinds: a call, where a client speaks into a microphone, and a presentation, where
a program says what is to be spoken.
"""

import asyncio
import secrets

from server.sessions.viewers import Viewers
from streaming.clock import monotonic
from streaming.errors import EngineFailure
from streaming.scheduling.worker import BatchWorker
from streaming.session import Session
from streaming.speaker import Interruption
from streaming.units import FRAME_TICKS


class LiveSession:
    """Works in `run` until `ended` is set, and ends with it."""

    def __init__(self, session: Session, worker: BatchWorker) -> None:
        self.id = secrets.token_urlsafe(12)
        self.media_session = session
        self.began = monotonic()
        self.ended = asyncio.Event()
        self.viewers = Viewers()
        self._worker = worker

    def abandoned(self, now: float, last_message: float | None) -> bool:
        """True when the client has vanished; ``last_message`` came over its control channel (None: it has none)."""
        return last_message is None

    def interrupt(self) -> Interruption:
        """Stops the avatar: silence from the next packet on."""
        played = self.media_session.interrupt()
        return Interruption(None, played, self.media_session.played_tick // FRAME_TICKS, ())

    async def work(self) -> None:
        """What goes on all the time."""
        await self.media_session.run()

    async def run(self) -> str | None:
        """Works until `ended` is set.

        Returns:
            What the client should be told, None when it went by itself.
        """
        problem = None
        ended = asyncio.create_task(self.ended.wait(), name=f"performance {self.id} end")
        working = asyncio.create_task(self.work(), name=f"performance {self.id} work")
        try:
            await asyncio.wait({ended, working}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
        except* EngineFailure as failures:
            problem = str(_first(failures))
        finally:
            ended.cancel()
            working.cancel()
            await asyncio.gather(ended, working, return_exceptions=True)
            await self.aclose()
        return problem

    async def aclose(self) -> None:
        """Sends the viewers home and gives the slot back."""
        await self.viewers.aclose()
        await self._worker.release(self.media_session.lease)


def _first(failures: BaseExceptionGroup[EngineFailure]) -> BaseException:
    """The first failure in a group of groups."""
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
