"""Serves an application on loopback, on the caller's event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import uvicorn
from starlette.applications import Starlette
from waiting import until


@asynccontextmanager
async def started(application: Starlette, name: str, **options: Any) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """Starts a server and stops it; gives it and its port.

    Args:
        application: to serve.
        name: of its task.
        options: of `uvicorn.Config`.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(application, **options))
        server.capture_signals = nullcontext  # type: ignore[method-assign]
        serving = asyncio.create_task(server.serve(sockets=[listener]), name=name)
        await until(lambda: server.started)
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def served(application: Starlette, name: str) -> AsyncIterator[str]:
    """Starts a server without a lifespan and stops it; gives its address. ``name`` is that of its task."""
    options = {"log_level": "error", "lifespan": "off", "timeout_graceful_shutdown": 1}
    async with started(application, name, **options) as (_, port):
        yield f"http://127.0.0.1:{port}"
