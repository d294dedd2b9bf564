"""Proves that the doctor's network checks find what works and what does not."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from ports import free_port, free_udp_ports
from waiting import until

from server.config import ServerConfig
from server.webrtc import reachability
from server.webrtc.negotiation import MediaPath
from server.webrtc.reachability import Unreachable

COTURN = ("turnserver", "-n", "--use-auth-secret", "--static-auth-secret=north", "--realm=example", "-L", "127.0.0.1")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits as long as a busy machine takes."""
    monkeypatch.setattr(reachability, "SECONDS", 60.0)


def free_range(count: int) -> ServerConfig:
    """A configuration with so many free ports."""
    ports = free_udp_ports(count)
    return ServerConfig(udp_ports=f"{ports[0]}-{ports[-1]}")


@pytest.fixture
def taken() -> Iterator[ServerConfig]:
    """A configuration whose one port is taken on every address."""
    with ExitStack() as sockets:
        (port,) = free_udp_ports(1)
        for address in MediaPath.of(ServerConfig()).addresses:
            sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((address, port))
        yield ServerConfig(udp_ports=f"{port}-{port}")


def test_taken_ports_are_found(taken: ServerConfig) -> None:
    path = MediaPath.of(taken)
    assert path.ports is not None and reachability.taken_ports(path) == list(path.ports)
    assert reachability.taken_ports(MediaPath.of(free_range(2))) == []


async def test_a_call_within_the_machine_connects_in_the_range_of_ports() -> None:
    await reachability.call_within(free_range(10))


async def test_a_range_without_a_free_port_is_unreachable(taken: ServerConfig) -> None:
    with pytest.raises(Unreachable, match="no UDP port is free"):
        await reachability.call_within(taken)


@pytest.mark.parametrize("url", ["http://relay.example", "turn:127.0.0.1:9?transport=tcp"])
async def test_a_relay_that_is_none_is_unreachable(url: str) -> None:
    with pytest.raises(Unreachable):
        await reachability.allocate(ServerConfig(turn_urls=url, turn_secret="north"), url)


@pytest.fixture
async def coturn() -> AsyncIterator[str]:
    """The address of a relay."""
    if shutil.which("turnserver") is None:
        pytest.skip("coturn is not installed")
    port = free_port()
    options = ("-p", str(port), "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout", "--pidfile", "/dev/null")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*COTURN, *options, stdout=quiet, stderr=quiet)

    async def listening() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await until(listening, every=0.1)
    yield f"turn:127.0.0.1:{port}"
    process.kill()
    await process.wait()


async def test_coturn_accepts_the_credentials_and_refuses_those_of_another_secret(coturn: str) -> None:
    await reachability.allocate(ServerConfig(turn_urls=coturn, turn_secret="north"), coturn)
    with pytest.raises(Unreachable, match="401"):
        await reachability.allocate(ServerConfig(turn_urls=coturn, turn_secret="south"), coturn)
