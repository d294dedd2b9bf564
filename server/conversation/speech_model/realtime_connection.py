"""Connection to a server with OpenAI's Realtime protocol: JSON messages over a WebSocket, both ways without blocking.

Runs on: event loop. Messages that nobody waits for are read and dropped, so that the connection stays alive.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from server.tts.endpoint import CONNECT_SECONDS, EndpointFailed
from streaming.queues import BoundedQueue, OnFull
from streaming.tasks import cancel

NOUN: Final = "speech model"
OUTGOING_HELD: Final = 2_000
"""Messages that wait to be sent, most of them audio of 32 ms."""
INCOMING_HELD: Final = 4_000
MAX_MESSAGE_BYTES: Final = 1 << 22

Received = Mapping[str, Any] | EndpointFailed


class RealtimeConnection:
    """An open connection; created by `open`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.lost = False
        self._socket = socket
        self._outgoing: BoundedQueue[str] = BoundedQueue("to the speech model", OUTGOING_HELD, OnFull.DROP_OLDEST)
        self._incoming: BoundedQueue[Received] | None = None
        self._tasks = [
            asyncio.create_task(self._send_queued(), name="speech model send"),
            asyncio.create_task(self._read(), name="speech model read"),
        ]

    @classmethod
    async def open(cls, url: str, key: str) -> Self:
        """Connect.

        Raises:
            EndpointFailed: the server cannot be reached, or refuses.
        """
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            socket = await connect(
                url, additional_headers=headers, open_timeout=CONNECT_SECONDS, max_size=MAX_MESSAGE_BYTES
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise EndpointFailed(f"The {NOUN} cannot be reached.") from error
        return cls(socket)

    def send(self, message: Mapping[str, object]) -> None:
        """Queue a message."""
        self._outgoing.offer(json.dumps(message))

    @contextmanager
    def listening(self) -> Iterator[BoundedQueue[Received]]:
        """Keep the messages that come within the context for `receive`; a later listener takes the place."""
        incoming: BoundedQueue[Received] = BoundedQueue("from the speech model", INCOMING_HELD, OnFull.WAIT)
        self._incoming = incoming
        if self.lost:
            incoming.offer(_stopped())
        try:
            yield incoming
        finally:
            incoming.drain()  # the reader may wait for room in it
            if self._incoming is incoming:
                self._incoming = None

    @staticmethod
    async def receive(incoming: BoundedQueue[Received], patience: float) -> Mapping[str, Any]:
        """Return the next message of a listener.

        Raises:
            EndpointFailed: there is none within ``patience`` seconds, it cannot be understood, or the connection is
                lost.
        """
        try:
            async with asyncio.timeout(patience):
                received = await incoming.get()
        except TimeoutError as error:
            raise EndpointFailed(f"The {NOUN} did not answer in time.") from error
        if isinstance(received, EndpointFailed):
            raise received
        return received

    async def aclose(self) -> None:
        """Close it."""
        self.lost = True
        await cancel(*self._tasks)
        await self._socket.close()

    async def _send_queued(self) -> None:
        try:
            while True:
                await self._socket.send(await self._outgoing.get())
        except WebSocketException:
            self.lost = True  # the reader tells

    async def _read(self) -> None:
        try:
            while True:
                await self._keep(_parsed(await self._socket.recv()))
        except WebSocketException:
            self.lost = True
            await self._keep(_stopped())

    async def _keep(self, received: Received) -> None:
        if self._incoming is not None:
            await self._incoming.put(received)


def _stopped() -> EndpointFailed:
    return EndpointFailed(f"The {NOUN} stopped in the middle of its answer.")


def _parsed(text: str | bytes) -> Received:
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else EndpointFailed(f"The answer of the {NOUN} cannot be understood.")
