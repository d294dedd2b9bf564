"""Reachability checks for media: a call within this machine and an allocation on each TURN server.

Runs on: an event loop of its own, in `styletalk doctor`. The checks use real sockets.
"""

import asyncio
import re
import socket

from aioice import turn
from aioice.stun import TransactionError
from aiortc import RTCConfiguration, RTCPeerConnection

from server.config import ServerConfig
from server.webrtc.aiortc_patches import offer_addresses
from server.webrtc.negotiation import MediaPath
from server.webrtc.turn import ice_servers
from streaming.clock import unix_seconds

SECONDS = 5.0
TURN_URL = re.compile(r"(turns?):(\[[^\]]+\]|[^:?]+)(?::(\d+))?(?:\?transport=(udp|tcp))?")
TURN_PORT, TURNS_PORT = 3478, 5349


class Unreachable(Exception):
    """Media cannot reach its destination; the message says why."""


def taken_ports(path: MediaPath) -> list[int]:
    """Return the ports of the path that cannot be bound on one of its addresses."""
    return [port for port in path.ports or () if any(not _free(address, port) for address in path.addresses)]


def _free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


async def call_within(config: ServerConfig) -> None:
    """Connects a client on this machine to sockets opened as in a call: UDP, ICE and DTLS.

    Raises:
        Unreachable: no connection is established.
    """
    client, server = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        connected = asyncio.Event()

        def changed() -> None:
            if client.connectionState == "connected":
                connected.set()

        client.on("connectionstatechange", changed)
        client.addTransceiver("audio", "recvonly")
        await client.setLocalDescription(await client.createOffer())
        await server.setRemoteDescription(client.localDescription)
        path = MediaPath.of(config)
        offer_addresses(server, path.addresses, path.ports)
        await server.setLocalDescription(await server.createAnswer())
        await client.setRemoteDescription(server.localDescription)
        async with asyncio.timeout(SECONDS):
            await connected.wait()
    except TimeoutError as error:
        raise Unreachable(f"nothing arrived within {SECONDS:.0f} s") from error
    except OSError as error:
        raise Unreachable(str(error)) from error
    finally:
        await asyncio.gather(client.close(), server.close())


async def allocate(config: ServerConfig, url: str) -> None:
    """Requests an allocation from a TURN server, as a client would.

    Raises:
        Unreachable: there is no such server, or it rejects the credentials.
    """
    parts = TURN_URL.fullmatch(url)
    if parts is None:
        raise Unreachable("it must have the form turn:HOST:PORT?transport=udp")
    scheme, host, port, transport = parts.groups()
    secure = scheme == "turns"
    (credential,) = ice_servers(config, "doctor", unix_seconds())
    try:
        async with asyncio.timeout(SECONDS):
            relay, _ = await turn.create_turn_endpoint(
                asyncio.DatagramProtocol,
                server_addr=(host.strip("[]"), int(port or (TURNS_PORT if secure else TURN_PORT))),
                username=credential.username,
                password=credential.credential,
                ssl=secure or None,
                transport=transport or ("tcp" if secure else "udp"),
            )
            relay.close()
    except TimeoutError as error:
        raise Unreachable(f"it does not answer within {SECONDS:.0f} s") from error
    except TransactionError as error:
        raise Unreachable(f"it rejected the request: {error}") from error
    except OSError as error:
        raise Unreachable(str(error)) from error
