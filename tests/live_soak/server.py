"""The server of the soak: a process of its own that reports on itself once per part.

Runs on: its own process; the connection to the parent carries the address, then one `ServerPart` per request.
"""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from server.lab.benchmarks.churn import Belongings, belongings
from server.lab.benchmarks.live_server import LiveServer, live_server
from server.lab.benchmarks.loop_monitor import Bystander, LoopMonitor
from server.sessions.live_session import LiveSession
from server.sessions.microphone_session import MicrophoneSession
from streaming.units import TICK_RATE

LOOK_SECONDS = 0.05
END_SECONDS = 30


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """Counters of a session since its start, and its state now."""

    fresh: int
    late: int
    slips: int
    concealed_ms: float
    delay_ms: float
    size_changes: int

    @classmethod
    def of(cls, live: LiveSession) -> "SessionCounts":
        """Reads a session."""
        session = live.media_session
        stats, ms = session.stats, 1000 / TICK_RATE
        return cls(
            stats.fresh,
            stats.late,
            stats.slips,
            round(stats.concealed * ms, 1),
            round(session.clock.delay * ms, 1),
            stats.size_changes,
        )


@dataclass(frozen=True, slots=True)
class ServerPart:
    """What the server says of itself after a part of the soak.

    Attributes:
        sessions: counters by `talking` and `presenter`.
        microphone_lag_ms: typical age of the newest audio of the caller.
        loop: figures of `LoopMonitor` in this part.
        holds: resources at the end of the part.
        size: frame size at the end of the part, px.
    """

    sessions: dict[str, SessionCounts]
    microphone_lag_ms: float
    loop: dict[str, float]
    holds: Belongings
    size: int


def _sessions(server: LiveServer) -> dict[str, LiveSession]:
    return {
        "talking" if isinstance(live, MicrophoneSession) else "presenter": live
        for live in server.service.clients.sessions()
    }


def _microphone_lag(server: LiveServer) -> float:
    """Age of the newest audio of the caller, ms; not a number between two calls."""
    calls = [call.media_session for call in server.service.clients.microphone_sessions()]
    return (calls[0].capture_tick() - calls[0].arrived_tick) * 1000 / TICK_RATE if calls else np.nan


def _part(server: LiveServer, seconds: float) -> ServerPart:
    """Watches the server for this many seconds."""
    monitor, bystander, lags = LoopMonitor(), Bystander(), []
    with bystander.at_work():
        watching = asyncio.run_coroutine_threadsafe(monitor.run(), server.loop)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            lags.append(server.read(partial(_microphone_lag, server)))
            time.sleep(LOOK_SECONDS)  # samples the age of the audio
        watching.cancel()
    return ServerPart(
        server.read(lambda: {name: SessionCounts.of(live) for name, live in _sessions(server).items()}),
        round(float(np.nanpercentile(lags, 10)), 2),
        monitor.figures(bystander.samples),
        belongings(server),
        server.read(lambda: server.service.worker.ladder.rung.size),
    )


def _serve(parent: Connection, settings: dict[str, Any]) -> None:
    """Main function of the process: answers a number of seconds with a part, 0 with what is held, None by ending."""
    with live_server(**settings) as server:
        parent.send(server.address)
        while (seconds := parent.recv()) is not None:
            parent.send(_part(server, seconds) if seconds else belongings(server))


class ServerProcess:
    """A running server; ``address`` ends with a slash."""

    def __init__(self, connection: Connection, address: str) -> None:
        self._connection = connection
        self.address = address

    async def part(self, seconds: float) -> ServerPart:
        """Watches the server for this many seconds.

        Raises:
            EOFError: the server has died.
        """
        self._connection.send(seconds)
        told: ServerPart = await asyncio.to_thread(self._connection.recv)
        return told

    async def holds(self) -> Belongings:
        """Reads what the server holds now."""
        self._connection.send(0)
        told: Belongings = await asyncio.to_thread(self._connection.recv)
        return told


@asynccontextmanager
async def server_process(**settings: Any) -> AsyncIterator[ServerProcess]:
    """Starts a server with warm models and stops it; ``settings`` as for `ServerConfig`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, settings), name="soaked server")
    process.start()
    theirs.close()
    try:
        yield ServerProcess(ours, await asyncio.to_thread(ours.recv))
        ours.send(None)
        await asyncio.to_thread(process.join, END_SECONDS)
    finally:
        if process.is_alive():
            process.kill()
        process.join()
