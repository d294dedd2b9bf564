"""A server in a thread of the benchmark's process, so that its clocks and counters can be read.

Runs on: the benchmark's thread; the server has its own event loop, as in production.
"""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import uvicorn
from numpy.typing import NDArray

from server.app import create_app
from server.bootstrap import listen, make_service
from server.config import ServerConfig
from server.lab.benchmarks.browser import speaking_page
from server.priority import raise_priority
from server.service import Service

T = TypeVar("T")
WARM_UP_SECONDS = 300


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A running server with warm models."""

    service: Service
    address: str
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def read(self, look: Callable[[], T]) -> T:
        """Calls ``look`` on the server's event loop."""

        async def work() -> T:
            return look()

        return self.run(work())


@contextmanager
def live_server(**settings: Any) -> Iterator[LiveServer]:
    """Starts a server on a free loopback port, waits until its models are warm, and stops it at the end."""
    config = ServerConfig(port=0, **settings)
    service, listener = make_service(config), listen(config)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(service), log_config=None, log_level="error", access_log=False, timeout_graceful_shutdown=1
        )
    )
    loops: list[asyncio.AbstractEventLoop] = []
    warm = threading.Event()

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        ready = asyncio.create_task(service.worker.wait_ready(), name="warm-up")
        ready.add_done_callback(lambda _: warm.set())
        await server._serve([listener])  # serve() installs signal handlers
        ready.cancel()

    def main() -> None:
        raise_priority()
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(serve())

    thread = threading.Thread(target=main, name="server")
    thread.start()
    try:
        if not warm.wait(WARM_UP_SECONDS):
            raise TimeoutError(f"the models were not warm after {WARM_UP_SECONDS} s")
        yield LiveServer(service, "http://{}:{}/".format(*listener.getsockname()[:2]), loops[0])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def speaking_call(samples: NDArray[np.int16], **settings: Any) -> Iterator[tuple[LiveServer, Any]]:
    """A warm server for one client, and a page with a call to it; ``settings`` as for `ServerConfig`.

    Raises:
        InputError: Chromium or Playwright is missing.
    """
    with (
        live_server(max_sessions=1, **settings) as server,
        tempfile.TemporaryDirectory() as folder,
        speaking_page(server.address, samples, Path(folder)) as page,
    ):
        yield server, page
