"""Interruptible network between a page and a server on one machine: a TCP proxy, and a UDP relay for every call.

Runs on: event loop. Connections that existed or were opened while the network was cut stay dead, as after a change of
network. This is also close to an outage on the same network, where TCP waits seconds before it retransmits.
"""

import asyncio
import re
from dataclasses import dataclass

from server.lab.benchmarks.udp_relay import UdpRelay

LENGTH = re.compile(rb"^content-length: *(\d+)", re.MULTILINE | re.IGNORECASE)
SDP = re.compile(rb"^content-type: *application/sdp", re.MULTILINE | re.IGNORECASE)
UPGRADE = re.compile(rb"^upgrade:", re.MULTILINE | re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
PIECE_BYTES = 1 << 16


@dataclass(slots=True)
class NetworkPath:
    """A path to the server; nothing crosses a dead path."""

    alive: bool = True

    async def crossed(self) -> None:
        """Returns at once on a live path, never on a dead one."""
        if not self.alive:
            await asyncio.get_running_loop().create_future()


class Network:
    """Forwards connections from loopback port ``port`` to ``server_port`` once opened."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._path = NetworkPath()
        self._relays: list[UdpRelay] = []
        self._exchanges: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Starts listening."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Closes all connections and stops listening."""
        if self._listener is not None:
            self._listener.close()
        for exchange in self._exchanges:
            exchange.cancel()
        await asyncio.gather(*self._exchanges, return_exceptions=True)
        for relay in self._relays:
            relay.close()

    def cut(self) -> None:
        """Blocks all traffic from now on."""
        self._path.alive = False
        self._path = NetworkPath(alive=False)

    def restore(self) -> None:
        """Lets new connections and new calls through again."""
        self._path = NetworkPath()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = asyncio.create_task(self._exchange(self._path, reader, writer), name="connection")
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)

    async def _exchange(self, path: NetworkPath, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards one request and its response, or one WebSocket; the server is told to close after a response."""
        onward: asyncio.StreamWriter | None = None
        try:
            head = await reader.readuntil(HEAD_END)
            length = LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            await path.crossed()
            back, onward = await asyncio.open_connection("127.0.0.1", self._server_port)
            if UPGRADE.search(head):
                onward.write(head)
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(_pump(path, reader, onward))
                    ways.create_task(_pump(path, back, writer))
                return
            relay = await self._relay(path) if SDP.search(head) and body else None
            onward.write(_closing(head, relay.offer(body.decode()).encode() if relay else body))
            if relay is None:
                await _pump(path, back, writer)
                return
            head, _, answer = (await back.read()).partition(HEAD_END)
            await path.crossed()
            if SDP.search(head):
                answer = relay.answer(answer.decode()).encode()
            writer.write(_closing(head + HEAD_END, answer))
            await writer.drain()
        except* (ConnectionError, asyncio.IncompleteReadError):
            pass  # one side has disconnected
        finally:
            for side in (writer, onward):
                if side is not None:
                    side.close()

    async def _relay(self, path: NetworkPath) -> UdpRelay:
        """A relay for a new call."""
        relay = UdpRelay()
        await relay.open()
        relay.lose_up(lambda data: not path.alive)
        relay.lose_down(lambda data: not path.alive)
        self._relays.append(relay)
        return relay


async def _pump(path: NetworkPath, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forwards data until the end of the stream."""
    while piece := await reader.read(PIECE_BYTES):
        await path.crossed()
        writer.write(piece)
        await writer.drain()
    await path.crossed()
    writer.close()


def _closing(head: bytes, body: bytes) -> bytes:
    """An HTTP message with a replaced body and ``Connection: close``."""
    lines = [line for line in head.removesuffix(HEAD_END).split(b"\r\n")]
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"content-length:"))]
    if body or len(kept) < len(lines):
        kept.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*kept, b"Connection: close"]) + HEAD_END + body
