"""HTTP server with request limits, which drains calls on SIGTERM.

Runs on: the main thread; signals arrive there between two steps of the event loop.
"""

import asyncio
import signal
import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from server.config import ServerConfig
from server.service import Service

MAX_FRAME_BYTES = 8 << 20
"""Limit of a WebSocket message before it is read; a channel refuses smaller ones and stays open."""
GRACE_SECONDS = 3
KEEP_ALIVE_SECONDS = 15
MAX_CONNECTIONS = 1000


def http_options(config: ServerConfig, app: ASGIApp) -> uvicorn.Config:
    """Return uvicorn's options for the application."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws_max_size=MAX_FRAME_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        forwarded_allow_ips=config.trusted_proxies,
        ssl_certfile=config.tls_certificate or None,
        ssl_keyfile=config.tls_key or None,
    )


class DrainingServer(uvicorn.Server):
    """Stops at once on SIGINT or a second signal; on SIGTERM when all calls have ended or the drain time is over."""

    def __init__(self, options: uvicorn.Config, service: Service) -> None:
        super().__init__(options)
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Keeps the loop that signals must wake."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the interpreter on a signal."""
        seconds = self._service.config.drain_time
        if sig != signal.SIGTERM or not seconds or self._service.draining or self._loop is None:
            super().handle_exit(sig, frame)
            return
        self._service.draining = True
        self._loop.call_soon_threadsafe(self._drain, seconds, sig)

    def _drain(self, seconds: float, sig: int) -> None:
        self._draining = asyncio.create_task(self._service.drain(seconds), name="drain")
        self._draining.add_done_callback(lambda _: super(DrainingServer, self).handle_exit(sig, None))
