"""Proves that the doctor's network checks find what works and what does not."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from waiting import until

from server.config import ServerConfig
from server.webrtc import reachability
from server.webrtc.negotiation import MediaPath
from server.webrtc.reachability import Unreachable

PORT = 34_780
RELAY = f"turn:127.0.0.1:{PORT}"
COTURN = ("turnserver", "-n", "--use-auth-secret", "--static-auth-secret=north", "--realm=example", "-L", "127.0.0.1")


@pytest.fixture
def taken() -> Iterator[ServerConfig]:
    """A configuration whose one port is taken on every address."""
    with ExitStack() as sockets:
        port = 47_020
        for address in MediaPath.of(ServerConfig()).addresses:
            sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((address, port))
        yield ServerConfig(udp_ports=f"{port}-{port}")


def test_taken_ports_are_found(taken: ServerConfig) -> None:
    assert reachability.taken_ports(MediaPath.of(taken)) == [47_020]
    assert reachability.taken_ports(MediaPath.of(ServerConfig(udp_ports="47021-47022"))) == []


async def test_a_call_within_the_machine_connects_in_the_range_of_ports() -> None:
    await reachability.call_within(ServerConfig(udp_ports="47010-47019"))


async def test_a_range_without_a_free_port_is_unreachable(taken: ServerConfig) -> None:
    with pytest.raises(Unreachable, match="no UDP port is free"):
        await reachability.call_within(taken)


@pytest.mark.parametrize("url", ["http://relay.example", "turn:127.0.0.1:9?transport=tcp"])
async def test_a_relay_that_is_none_is_unreachable(url: str) -> None:
    with pytest.raises(Unreachable):
        await reachability.allocate(ServerConfig(turn_urls=url, turn_secret="north"), url)


@pytest.fixture
async def coturn() -> AsyncIterator[None]:
    if shutil.which("turnserver") is None:
        pytest.skip("coturn is not installed")
    options = ("-p", str(PORT), "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout", "--pidfile", "/dev/null")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*COTURN, *options, stdout=quiet, stderr=quiet)

    async def listening() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", PORT)
        except OSError:
            return False
        writer.close()
        return True

    await until(listening, every=0.1)
    yield
    process.kill()
    await process.wait()


async def test_coturn_accepts_the_credentials_and_refuses_those_of_another_secret(coturn: None) -> None:
    await reachability.allocate(ServerConfig(turn_urls=RELAY, turn_secret="north"), RELAY)
    with pytest.raises(Unreachable, match="401"):
        await reachability.allocate(ServerConfig(turn_urls=RELAY, turn_secret="south"), RELAY)
