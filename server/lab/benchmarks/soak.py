"""`styletalk bench soak`: drift, memory, late frames and event loop blocking of one long call.

Runs on: the main thread, with the server in another thread and the client in its own process.
"""

import argparse
import asyncio
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.lab.benchmarks.adaptation import add_size
from server.lab.benchmarks.capacity import memory_mb
from server.lab.benchmarks.live_server import live_server
from server.lab.benchmarks.load_clients import load_clients
from server.lab.benchmarks.loop_monitor import Bystander, LoopMonitor
from streaming.clock import monotonic
from streaming.units import TICK_RATE
from styletalk_core.errors import InputError

MIN_MINUTES = 0.5
SETTLE_SECONDS = 10
LOOK_SECONDS = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="duration of the call (10)")
    add_size(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures one call.

    Raises:
        InputError: a duration below half a minute, or the client cannot connect.
    """
    if args.minutes < MIN_MINUTES:
        raise InputError(f"--minutes must be at least {MIN_MINUTES}, not {args.minutes:g}.")
    with live_server(size=args.size, max_sessions=1) as server, load_clients(server.address) as crowd:
        crowd.add()
        deadline = time.monotonic() + 30
        while (
            not (calls := server.read(server.service.clients.microphone_sessions))
            or not calls[0].media_session.clock.started
        ):
            if time.monotonic() > deadline:
                raise InputError("The client could not connect within 30 s.")
            time.sleep(0.2)
        session = calls[0].media_session
        time.sleep(SETTLE_SECONDS)
        monitor, bystander = LoopMonitor(), Bystander()
        with bystander.at_work():
            watching = asyncio.run_coroutine_threadsafe(monitor.run(), server.loop)
            before = server.read(lambda: (session.stats.fresh, session.stats.late))
            memory, began = memory_mb(), monotonic()
            lag: list[tuple[float, float]] = []
            while (elapsed := monotonic() - began) < args.minutes * 60:
                waiting = server.read(lambda: session.clock.capture_tick() - session.arrived_tick)
                lag.append((elapsed, waiting * 1000 / TICK_RATE))
                time.sleep(LOOK_SECONDS)
            watching.cancel()
            fresh, late = server.read(lambda: (session.stats.fresh, session.stats.late))
            growth = memory_mb() - memory
            slips = session.stats.slips
    fresh, late = fresh - before[0], late - before[1]
    result = {
        "drift_ms": round(_drift(np.array(lag)), 2),
        "rss_growth_mb": round(growth, 1),
        "late_share": round(late / max(1, fresh + late), 5),
        **monitor.figures(bystander.samples),
        "fps": round(fresh / (args.minutes * 60), 2),
        "slips": slips,
        "minutes": args.minutes,
    }
    if not args.json:
        for name, value in result.items():
            print(f"{name:<28}{value}")
    return result


def _drift(lag: NDArray[np.float64]) -> float:
    """Growth of the buffered audio between the first and the last tenth of the call, in ms.

    Args:
        lag: (n, 2) time, and milliseconds since the end of the newest packet; low values are free of jitter.
    """
    tenth = max(1, len(lag) // 10)
    first, last = (float(np.percentile(part[:, 1], 10)) for part in (lag[:tenth], lag[-tenth:]))
    return last - first
