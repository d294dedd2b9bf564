"""Servers without models behind a gateway, on a Ray test cluster, and their clients."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgpack
from aiortc import RTCSessionDescription
from live_server import RtcClient
from modelless import make_service
from ports import free_port
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

TESTS = Path(__file__).parent


@contextmanager
def servers(places: int, **settings: Any) -> Iterator[str]:
    """Yields the address of the gateway of two servers, where ``settings`` do not say otherwise."""
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster as RayCluster

    from server.cluster import Cluster, build

    paths = os.pathsep.join(map(str, (TESTS.parent, TESTS)))
    cluster = RayCluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    shared = Cluster.of(
        {"port": free_port(), "udp_ports": "47100-47163", "max_sessions": places, "size": 256, "front": address}
        | {"least": 2, "most": 2, "udp_ports_each": 32, "cpus": 0.5}
        | settings
    )
    try:
        ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": paths}}, log_to_driver=False)
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(build(shared, make_service))
        yield address
    finally:
        serve.shutdown()
        ray.shutdown()
        cluster.shutdown()


def process_at(address: str) -> int:
    """The process that listens at an address."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {fields[1].partition(":")[2]: fields[9] for fields in sockets if fields[3] == "0A"}
    inode = listening[f"{urlsplit(address).port:04X}"]
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) == f"socket:[{inode}]":
                return int(link.parts[2])
    raise AssertionError(f"nothing listens at {address}")


@dataclass
class Client:
    """What the page does: asks the gateway for its server, opens the channel there, calls there."""

    front: str
    session: str | None = None
    server: str = ""

    async def find(self) -> str:
        """Asks where to go, as often as it takes; returns the token."""
        query = f"?session={self.session}" if self.session else ""
        while True:
            async with connect(f"{self.front.replace('http', 'ws')}ws{query}") as socket:
                told = msgpack.unpackb(await socket.recv())
            if told["type"] == "session.placed":
                self.session, self.server = told["session"], told["url"]
                token: str = told["token"]
                return token
            assert told["code"] == "server_full", told
            await asyncio.sleep(0.3)  # as the page does before it asks again

    @asynccontextmanager
    async def online(self) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
        """A channel at the server, with its session.created; pings while it is open."""
        while True:
            token = await self.find()
            address = f"{self.server.replace('http', 'ws')}ws?session={self.session}&token={token}"
            try:
                socket = await connect(address)
                break
            except OSError:
                await asyncio.sleep(0.3)  # as the page does before it asks again

        async def ping() -> None:
            with suppress(ConnectionClosed):
                while True:
                    await socket.send(msgpack.packb({"type": "ping", "t": 0}))
                    await asyncio.sleep(1)  # the interval of the page's pings

        created = msgpack.unpackb(await socket.recv())
        assert created["type"] == "session.created"
        pinging = asyncio.create_task(ping())
        try:
            yield socket, created
        finally:
            pinging.cancel()
            await socket.close()


async def post(address: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """POSTs SDP; redirections are not followed."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    top, _, content = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *fields = top.decode().split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, v in (f.split(": ", 1) for f in fields)}, content


async def call(client: Client, rtc_client: RtcClient) -> int:
    """WHIP without a control channel: the gateway sends the offer on."""
    await rtc_client.peer.setLocalDescription(await rtc_client.peer.createOffer())
    offer = rtc_client.peer.localDescription.sdp.encode()
    query = f"?session={client.session}" if client.session else ""
    status, headers, body = await post(f"{client.front}whip{query}", offer)
    if status != 307:
        return status
    client.server = headers["location"].partition("whip")[0]
    status, headers, body = await post(headers["location"], offer)
    if status == 201:
        client.session = headers["x-session"]
        await rtc_client.peer.setRemoteDescription(RTCSessionDescription(body.decode(), "answer"))
    return status
