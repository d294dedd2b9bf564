"""`styletalk bench presenter`: cost of each additional viewer of a presenter.

Runs on: the main thread, with the server in another thread and each viewer in its own process. The presenter speaks
continuously.
"""

import argparse
import json
import threading
import time
from typing import Any

import numpy as np
from websockets.sync.client import connect

from server.lab.benchmarks.browser import bursts
from server.lab.benchmarks.capacity import cpu_seconds
from server.lab.benchmarks.live_server import LiveServer, live_server
from server.lab.benchmarks.load_clients import load_clients
from server.sessions.presenter_session import PresenterSession
from streaming.units import TICK_RATE
from styletalk_core.errors import InputError

NAME = "bench"
SECONDS_PUSHED = 55
JOIN_SECONDS = 30
SETTLE_SECONDS = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--size", type=int, choices=(256, 512), default=512, help="video size (512)")
    parser.add_argument("--viewers", type=int, default=5, metavar="N", help="maximum number of viewers (5)")
    parser.add_argument("--seconds", type=float, default=5, help="measurement time per number of viewers (5)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``cpu`` (cores of the server with 0, 1 ... N viewers), ``cpu_per_viewer`` and ``renders_per_second``.

    Raises:
        InputError: an invalid option, or viewers that cannot connect.
    """
    if not 1 <= args.viewers <= 16 or args.seconds < 1:
        raise InputError("--viewers must be from 1 to 16 and --seconds at least 1.")
    cores, rates = [], []
    with live_server(size=args.size, max_sessions=1) as server:
        address = server.address.replace("http", "ws", 1) + "ws?format=json"
        with connect(address) as program, load_clients(server.address, NAME) as crowd:
            program.send(json.dumps({"type": "presenter.start", "name": NAME}))
            threading.Thread(target=lambda: list(program), name="what the program is told", daemon=True).start()
            for count in range(args.viewers + 1):
                if count:
                    crowd.add()
                _wait_for(server, count)
                server.run(_speak(server))
                cpu, rendered = _measure(server, args.seconds)
                cores.append(round(cpu, 3))
                rates.append(round(rendered, 1))
                if not args.json:
                    print(f"{count} viewers: {cpu:.2f} cores, {rendered:.1f} frames rendered per second")
    slope = float(np.polyfit(range(len(cores)), cores, 1)[0])
    return {"cpu": cores, "cpu_per_viewer": round(slope, 3), "renders_per_second": rates, "size": args.size}


async def _speak(server: LiveServer) -> None:
    """Queues enough speech for the next measurement."""
    (session,) = server.service.clients.sessions()
    assert isinstance(session, PresenterSession)
    session.interrupt()
    utterance = session.speaker.open()
    session.speaker.append(utterance, np.resize(bursts(20), SECONDS_PUSHED * TICK_RATE))
    session.speaker.close(utterance)


def _wait_for(server: LiveServer, count: int) -> None:
    """Waits until the presenter is active and has ``count`` viewers."""
    deadline = time.monotonic() + JOIN_SECONDS
    while time.monotonic() < deadline:
        on = server.read(lambda: [len(p.viewers.by_id) for p in server.service.clients.sessions()])
        if on == [count]:
            return
        time.sleep(0.1)
    raise InputError(f"Viewer {count} could not connect within {JOIN_SECONDS} s.")


def _measure(server: LiveServer, seconds: float) -> tuple[float, float]:
    """CPU cores used by the server, and frames rendered per second."""
    time.sleep(SETTLE_SECONDS)
    (session,) = server.read(lambda: [p.media_session for p in server.service.clients.sessions()])
    made: list[int] = []
    server.read(lambda: session.motion_taps.append(lambda motion, column: made.append(motion.index)))
    cpu, began = cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    cpu = cpu_seconds() - cpu
    server.read(session.motion_taps.pop)
    return cpu / took, len(made) / took
