"""One WebSocket that carries messages: out through a bounded queue, in one after the other, errors told.

Runs on: event loop. Maps with a "type" in msgpack, or in JSON for ``?format=json``.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from server.admission.limits import Allowance
from server.admission.problems import Refusal
from server.control.messages import pack, unpack
from server.service import RETRY_AFTER_SECONDS
from streaming.errors import EngineFailure
from streaming.queues import BoundedQueue, OnFull
from streaming.speech_queue import QueueFull

OUTGOING_MESSAGES = 64
TRY_AGAIN_LATER = 1013  # WebSocket close code
MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 200.0, 400.0


def wants_json(socket: WebSocket) -> bool:
    """Whether the client asked for text frames with JSON."""
    return socket.query_params.get("format") == "json"


async def turn_away(socket: WebSocket, code: str, message: str) -> None:
    """Says why a client cannot be served, and closes."""
    refusal = {"type": "error", "code": code, "message": message, "retry_after": RETRY_AFTER_SECONDS}
    await socket.send(pack(refusal, wants_json(socket)))
    await socket.close(TRY_AGAIN_LATER)


class MessageChannel:
    """The server's end of one client's channel."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self._as_json = wants_json(socket)
        self._outgoing: BoundedQueue[dict[str, Any]] = BoundedQueue(
            "outgoing messages", OUTGOING_MESSAGES, OnFull.DROP_OLDEST
        )
        self._allowance = Allowance(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE)

    async def carry_out(self, message: Mapping[str, Any]) -> None:
        """Does what a client asks for.

        Raises:
            Refusal: it is not done.
            ValueError: something that it names does not exist.
            EngineFailure: the session has ended.
        """
        raise NotImplementedError

    def tell(self, type: str, **fields: Any) -> None:
        """Queues a message for the client."""
        self._outgoing.offer({"type": type, **fields})

    def tell_if_read(self, type: str, **fields: Any) -> None:
        """Queues a message that a client who does not keep up can do without."""
        if len(self._outgoing) < OUTGOING_MESSAGES // 2:
            self.tell(type, **fields)

    async def converse(self, *work: Coroutine[Any, Any, None]) -> None:
        """Talks until the client leaves; ``work`` goes on meanwhile."""
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(part, name=f"channel {part}") for part in (self._send(), *work)]
                await self._receive()
                for task in others:
                    task.cancel()
        except* (WebSocketDisconnect, ConnectionError, RuntimeError):
            pass  # the client left while something was being sent

    async def _send(self) -> None:
        while True:
            await self.socket.send(pack(await self._outgoing.get(), self._as_json))

    async def _receive(self) -> None:
        while True:
            try:
                message = unpack(await self.socket.receive())
                if message is None:
                    return
                await asyncio.sleep(self._allowance.take())  # the connection fills up until a flooding client waits
                await self.carry_out(message)
            except Refusal as refusal:
                self.tell("error", code=refusal.code, message=str(refusal), **refusal.fields)
            except QueueFull as error:
                self.tell("error", code="buffer_full", message=str(error))
            except EngineFailure as error:
                self.tell("error", code="session_failed", message=f"The session ended: {error}.")
            except ValueError as error:
                self.tell("error", code="not_found", message=str(error))
