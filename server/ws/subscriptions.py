"""Optional subscriptions of a client: face motion and captions.

Runs on: event loop.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from server.protocol.events import CaptionsApplied, Event, MotionApplied
from server.sessions.captions import CaptionModel, Captions
from server.ws import motion_stream
from server.ws.motion_stream import MotionStream
from streaming.session import Session
from styletalk_core.face.spaces import Space


class Subscriptions:
    """Subscriptions of one client.

    Args:
        model: the server's word recognizer.
        space: meaning of the sessions' expression coefficients.
        send: sends a message.
        send_if_read: the same, but drops the message when the client is slow.
    """

    def __init__(
        self,
        model: CaptionModel,
        space: Space,
        send: Callable[[Event], None],
        send_if_read: Callable[[Event], None],
    ) -> None:
        self._model = model
        self._space = space
        self._send = send
        self._send_if_read = send_if_read
        self._motion: MotionStream | None = None
        self._captions: Captions | None = None
        self._captioning: asyncio.Task[None] | None = None
        self._session: Session | None = None

    def follow(self, session: Session | None) -> None:
        """Switches to this session; None for none."""
        self._session = session
        if self._motion is not None:
            self._motion.follow(session)
        if self._captions is not None:
            self._captions.follow(session)

    async def aclose(self) -> None:
        """Stops everything."""
        self.follow(None)
        await self.set_captions(False)

    async def set_motion(self, parts: tuple[str, ...]) -> None:
        """Selects the parts of the motion to send; none without parts."""
        if self._motion is not None:
            self._motion.follow(None)
        self._motion = MotionStream(parts, self._space, self._send_if_read) if parts else None
        if self._motion is not None:
            await asyncio.to_thread(motion_stream.face_driver)
            self._motion.follow(self._session)
        self._send(MotionApplied(parts, motion_stream.names(parts)))

    async def set_captions(self, wanted: bool) -> None:
        """Starts or stops captions.

        Raises:
            Refusal: the server has none.
        """
        if wanted and self._captions is None:
            self._model.check()
            self._captions = Captions(self._model, self._send)
            self._captions.follow(self._session)
            self._captioning = asyncio.create_task(self._captions.run(), name="captions")
        elif not wanted and self._captions is not None and self._captioning is not None:
            self._captions.follow(None)
            self._captioning.cancel()
            with suppress(asyncio.CancelledError):
                await self._captioning
            self._captions = self._captioning = None
            self._send(CaptionsApplied(False))
