"""Proves how the HTTP server handles signals: SIGTERM waits for the calls, other signals do not."""

import asyncio
import signal
import socket
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from waiting import until

from server.config import ServerConfig
from server.http.draining import DrainingServer, http_options


class Drained:
    """A service whose last call ends when the test says so."""

    def __init__(self, drain_seconds: int) -> None:
        self.config = ServerConfig(drain_seconds=drain_seconds)
        self.draining = False
        self.begun, self.over = asyncio.Event(), asyncio.Event()

    async def drain(self, seconds: float) -> None:
        self.begun.set()
        await self.over.wait()


async def started(drain_seconds: int) -> tuple[DrainingServer, Any, "asyncio.Task[None]"]:
    service: Any = Drained(drain_seconds)
    options = http_options(service.config, PlainTextResponse("here"))
    options.lifespan = "off"
    server = DrainingServer(options, service)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server._serve([listener]))
    await until(lambda: server.started)
    return server, service, serving


async def test_sigterm_stops_the_server_when_the_last_call_is_over() -> None:
    server, service, serving = await started(drain_seconds=600)
    server.handle_exit(signal.SIGTERM, None)
    await asyncio.wait_for(service.begun.wait(), 60)
    await asyncio.sleep(0.3)  # uvicorn looks every 0.1 s whether it should exit
    assert service.draining and not server.should_exit and not serving.done()
    service.over.set()
    await asyncio.wait_for(serving, 60)


@pytest.mark.parametrize(
    ("signals", "drain_seconds"),
    [([signal.SIGINT], 600), ([signal.SIGTERM], 0), ([signal.SIGTERM, signal.SIGTERM], 600)],
)
async def test_ctrl_c_a_second_signal_and_a_loopback_server_stop_at_once(
    signals: list[int], drain_seconds: int
) -> None:
    server, _, serving = await started(drain_seconds)
    for sig in signals:
        server.handle_exit(sig, None)
    await asyncio.wait_for(serving, 60)
