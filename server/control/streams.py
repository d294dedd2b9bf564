"""What a client can be told beside the rest, when it asks for it: the face's motion, and captions.

Runs on: event loop.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from server.control import motion_stream
from server.control.messages import BadMessage
from server.control.motion_stream import MotionStream
from server.sessions.captions import CaptionModel, Captions
from streaming.session import Session


class Streams:
    """Of one client.

    Args:
        model: the server's recogniser of words.
        tell: sends a message of a type with fields.
        tell_if_read: the same, unless the client does not keep up.
    """

    def __init__(self, model: CaptionModel, tell: Callable[..., None], tell_if_read: Callable[..., None]) -> None:
        self._model = model
        self._tell = tell
        self._tell_if_read = tell_if_read
        self._motion: MotionStream | None = None
        self._captions: Captions | None = None
        self._captioning: asyncio.Task[None] | None = None
        self._session: Session | None = None

    async def update(self, wanted: Mapping[str, Any]) -> None:
        """Starts and stops what "motion" and "captions" of a message say.

        Raises:
            BadMessage: one of them makes no sense.
            Refusal: the server has no captions.
        """
        if "motion" in wanted:
            await self._update_motion(motion_stream.wanted_parts(wanted["motion"]))
        if "captions" in wanted:
            if not isinstance(wanted["captions"], bool):
                raise BadMessage("captions must be true or false.")
            await self._update_captions(wanted["captions"])

    def follow(self, session: Session | None) -> None:
        """Tells of this session from now on; of none for None."""
        self._session = session
        if self._motion is not None:
            self._motion.follow(session)
        if self._captions is not None:
            self._captions.follow(session)

    async def aclose(self) -> None:
        """Stops everything."""
        self.follow(None)
        await self._update_captions(False)

    async def _update_motion(self, parts: tuple[str, ...]) -> None:
        if self._motion is not None:
            self._motion.follow(None)
        self._motion = MotionStream(parts, self._tell_if_read) if parts else None
        if self._motion is not None:
            await asyncio.to_thread(motion_stream.face_driver)
            self._motion.follow(self._session)
        self._tell("motion.applied", parts=list(parts), names=motion_stream.names(parts))

    async def _update_captions(self, wanted: bool) -> None:
        if wanted and self._captions is None:
            self._model.check()
            self._captions = Captions(self._model, self._tell)
            self._captions.follow(self._session)
            self._captioning = asyncio.create_task(self._captions.run(), name="captions")
        elif not wanted and self._captions is not None and self._captioning is not None:
            self._captions.follow(None)
            self._captioning.cancel()
            with suppress(asyncio.CancelledError):
                await self._captioning
            self._captions = self._captioning = None
            self._tell("captions.applied", captions=False)
