"""Serves an application on loopback, on the caller's event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import uvicorn
from starlette.applications import Starlette
from waiting import until


@asynccontextmanager
async def served(application: Starlette, name: str) -> AsyncIterator[str]:
    """Starts a server and stops it; gives its address. ``name`` is that of its task."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = uvicorn.Config(application, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(options)
        server.capture_signals = nullcontext  # type: ignore[method-assign]
        serving = asyncio.create_task(server.serve(sockets=[listener]), name=name)
        await until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
