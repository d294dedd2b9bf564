"""UDP relay between two WebRTC peers on loopback that drops selected datagrams.

Runs on: event loop. Both peers get the relay's address as the other's only candidate:
``client -> front | back -> server``.
"""

import asyncio
import re
from collections.abc import Callable
from typing import cast

CANDIDATE = re.compile(r"^a=candidate:(\S+) (\d) udp (\d+) (\S+) (\d+) typ host.*$", re.MULTILINE)


class _Port(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.target: tuple[str, int] | None = None
        self.other: _Port | None = None
        self.lose: Callable[[bytes], bool] = lambda data: False
        self.transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        assert self.other is not None and self.other.transport is not None
        if self.target is None:
            self.target = address
        if self.other.target is not None and not self.lose(data):
            self.other.transport.sendto(data, self.other.target)

    @property
    def number(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])


class UdpRelay:
    """The relay; ``front`` faces the client, ``back`` the server."""

    def __init__(self) -> None:
        self.front, self.back = _Port(), _Port()
        self.front.other, self.back.other = self.back, self.front

    async def open(self) -> None:
        """Opens the two ports."""
        await self.front.open()
        await self.back.open()

    def lose_up(self, lose: Callable[[bytes], bool]) -> None:
        """Drops datagrams from the client to the server for which ``lose`` returns true."""
        self.front.lose = lose

    def lose_down(self, lose: Callable[[bytes], bool]) -> None:
        """Drops datagrams from the server to the client for which ``lose`` returns true."""
        self.back.lose = lose

    def offer(self, sdp: str) -> str:
        """Rewrites the client's offer for the server."""
        return self._rewritten(sdp, self.front, self.back.number)

    def answer(self, sdp: str) -> str:
        """Rewrites the server's answer for the client."""
        return self._rewritten(sdp, self.back, self.front.number)

    @staticmethod
    def _rewritten(sdp: str, side: _Port, shown: int) -> str:
        """Records the peer address of ``side`` and replaces the candidates of each section by the relay."""
        found = CANDIDATE.search(sdp)
        assert found is not None
        side.target = (found[4], int(found[5]))
        kept, seen = [], False
        for line in sdp.splitlines():
            if line.startswith("m="):
                seen = False
            match = CANDIDATE.match(line)
            if match is None:
                kept.append(line)
            elif not seen:
                seen = True
                kept.append(f"a=candidate:{match[1]} {match[2]} udp {match[3]} 127.0.0.1 {shown} typ host")
        return "\r\n".join(kept) + "\r\n"

    def close(self) -> None:
        """Closes the ports."""
        for port in (self.front, self.back):
            if port.transport is not None:
                port.transport.close()
