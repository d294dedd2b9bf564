"""Message channel over a WebSocket: a bounded send queue, sequential requests, error replies.

Runs on: event loop. Messages are maps with a "type", in msgpack, or in JSON with ``?format=json``.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Never

from starlette.websockets import WebSocket, WebSocketDisconnect

from server.auth.limits import Allowance
from server.errors import SORRY, Refusal
from server.protocol.codec import pack, unpack
from server.protocol.decoder import decode
from server.protocol.events import Error, Event, encode
from server.protocol.requests import Request
from server.service import RETRY_AFTER_SECONDS, Service
from streaming.errors import ControlFailed, EngineFailure, StreamingError
from streaming.queues import BoundedQueue, OnFull
from styletalk_core.errors import INTERNAL, InputError

logger = logging.getLogger(__name__)

OUTGOING_MESSAGES = 64
TRY_AGAIN_LATER = 1013  # WebSocket close code
MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 200.0, 400.0


def wants_json(socket: WebSocket) -> bool:
    """True when the client asked for JSON in text frames."""
    return socket.query_params.get("format") == "json"


async def reject(socket: WebSocket, code: str, message: str) -> None:
    """Sends the reason of a rejection and closes the socket."""
    error = Error(code, message, RETRY_AFTER_SECONDS)
    await socket.send(pack(encode(error), wants_json(socket)))
    await socket.close(TRY_AGAIN_LATER)


class MessageChannel:
    """The server's end of one client's channel.

    Args:
        socket: accepted.
        requests: classes of the messages that the client may send.
    """

    def __init__(self, socket: WebSocket, requests: Sequence[type[Request]]) -> None:
        self.socket = socket
        self._requests = requests
        self._as_json = wants_json(socket)
        self._outgoing: BoundedQueue[Event] = BoundedQueue("outgoing messages", OUTGOING_MESSAGES, OnFull.DROP_OLDEST)
        self._allowance = Allowance(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE)

    async def handle(self, request: Request) -> None:
        """Handles one request.

        Raises:
            Refusal: the request is refused.
            InputError: something that it names does not exist or cannot be used.
            ControlFailed: the engine failed; the session continues.
            EngineFailure: the session has ended.
        """
        raise NotImplementedError

    def send(self, event: Event) -> None:
        """Queues a message for the client."""
        self._outgoing.offer(event)

    def send_if_read(self, event: Event) -> None:
        """Queues a message; dropped when the client is slow."""
        if len(self._outgoing) < OUTGOING_MESSAGES // 2:
            self.send(event)

    async def run(self, *work: Coroutine[object, Never, None]) -> None:
        """Exchanges messages until the client disconnects; ``work`` runs alongside."""
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(part, name=f"channel {part}") for part in (self._send_queued(), *work)]
                await self._receive()
                for task in others:
                    task.cancel()
        except* (WebSocketDisconnect, ConnectionError, RuntimeError):
            pass  # the client disconnected during a send

    async def _send_queued(self) -> None:
        while True:
            await self.socket.send(pack(encode(await self._outgoing.get()), self._as_json))

    async def _receive(self) -> None:
        while True:
            received = await self.socket.receive()
            try:
                message = unpack(received)
                if message is None:
                    return
                await asyncio.sleep(
                    self._allowance.take()
                )  # stops reading, so that back-pressure slows a flooding client
                await self.handle(decode(message, self._requests))
            except Refusal as refusal:
                self.send(Error(refusal.code, str(refusal), **refusal.fields))
            except EngineFailure as error:
                self.send(Error(error.code, f"The session ended: {error}."))
            except ControlFailed:  # logged and counted where it failed
                self.send(Error(INTERNAL, SORRY))
            except (InputError, StreamingError) as error:
                self.send(Error(error.code, str(error)))
            except Exception:
                service: Service = self.socket.app.state.service
                service.internal_errors["channel"] += 1
                logger.exception("a message could not be handled")
                self.send(Error(INTERNAL, SORRY))
