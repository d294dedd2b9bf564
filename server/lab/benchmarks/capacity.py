"""`styletalk bench capacity`: number of sessions at full frame rate, and the cost of each.

Runs on: the main thread, with the server in another thread and each client in its own process.
"""

import argparse
import asyncio
import resource
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection

from server.config import add_motion_weights
from server.lab.benchmarks.adaptation import add_size
from server.lab.benchmarks.live_server import LiveServer, live_server
from server.lab.benchmarks.load_clients import load_clients
from streaming.units import FRAME_TICKS, TICK_RATE
from styletalk_core.errors import InputError

FULL_RATE = TICK_RATE / FRAME_TICKS
LATE_SHARE = 0.01
CALL_SECONDS = 30
SETTLE_SECONDS = 8


@dataclass(frozen=True, slots=True)
class CapacityStep:
    """Result for a number of sessions: lowest frame rate, share of late frames, CPU usage of the server in cores, and
    resident memory."""

    sessions: int
    fps: float
    late_share: float
    cpu: float
    memory_mb: float

    @property
    def holds(self) -> bool:
        """True if every session has the full frame rate."""
        return self.late_share <= LATE_SHARE and self.fps >= 0.98 * FULL_RATE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    add_size(parser)
    add_motion_weights(parser)
    parser.add_argument("--seconds", type=float, default=10, help="measurement time per session count (10)")
    parser.add_argument("--most", type=int, default=16, metavar="N", help="stop at this many sessions (16)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Adds sessions until the frame rate drops.

    Raises:
        InputError: an invalid option, or clients that cannot connect.
    """
    if args.seconds < 2 or args.most < 1:
        raise InputError("--seconds must be at least 2 and --most at least 1.")
    steps: list[CapacityStep] = []
    with (
        live_server(size=args.size, max_sessions=args.most, motion_weights=args.motion_weights) as server,
        load_clients(server.address) as crowd,
    ):
        empty = memory_mb()
        for count in range(1, args.most + 1):
            crowd.add()
            _wait_for(server, count)
            step = _measure(server, count, args.seconds)
            if not args.json:
                print(
                    f"{count} x {args.size}: {step.fps:.1f} fps, {step.late_share:.2%} late, {step.cpu:.2f} cores, "
                    f"{step.memory_mb:.0f} MB"
                )
            steps.append(step)
            if not step.holds:
                break
        refusal = _refusal(server, args.seconds) if steps[-1].holds else {}
        size = server.service.worker.size
    return _summary(steps, empty) | {
        "size": size,
        **refusal,
        "steps": [asdict(step) for step in steps],
    }


def _summary(steps: Sequence[CapacityStep], empty: float) -> dict[str, Any]:
    """Reports the largest session count at full frame rate and the cost per session; if there is none, of one session.

    Args:
        steps: results by increasing session count, starting with one session.
        empty: resident memory before the first session, MB.
    """
    step = next((step for step in reversed(steps) if step.holds), steps[0])
    return {
        "sessions": step.sessions if step.holds else 0,
        "fps": step.fps,
        "late_share": step.late_share,
        "at_full_rate": step.holds,
        "cpu_per_session": round(step.cpu / step.sessions, 3),
        "memory_mb_per_session": round((step.memory_mb - empty) / step.sessions, 1),
    }


def _refusal(server: LiveServer, seconds: float) -> dict[str, Any]:
    """Result for a full server: responses to an additional client, and the frame rate of the others meanwhile."""
    answers: list[tuple[int, str]] = []
    over = threading.Event()
    offer = asyncio.run(_offer()).encode()
    request = urllib.request.Request(server.address + "whip", offer, {"Content-Type": "application/sdp"})

    def ask() -> None:
        while not over.wait(1):
            try:
                urllib.request.urlopen(request, timeout=10).close()
            except urllib.error.HTTPError as refusal:
                answers.append((refusal.code, refusal.headers.get("Retry-After", "")))

    asking = threading.Thread(target=ask, name="additional client")
    asking.start()
    step = _measure(server, len(server.read(server.service.clients.microphone_sessions)), seconds)
    over.set()
    asking.join()
    refused = bool(answers) and all(code == 503 and retry.isdigit() for code, retry in answers)
    return {"next_refused": refused, "fps_while_refusing": step.fps, "late_share_while_refusing": step.late_share}


async def _offer() -> str:
    """Returns the SDP offer of a client."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("audio", "sendrecv")
    peer.addTransceiver("video", "recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    await peer.close()
    return str(peer.localDescription.sdp)


def memory_mb() -> float:
    """Returns the resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def cpu_seconds() -> float:
    """Returns the CPU time of this process, seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _wait_for(server: LiveServer, count: int) -> None:
    deadline = time.monotonic() + CALL_SECONDS
    while time.monotonic() < deadline:
        if (
            len(
                server.read(
                    lambda: [c for c in server.service.clients.microphone_sessions() if c.media_session.clock.started]
                )
            )
            == count
        ):
            time.sleep(SETTLE_SECONDS)
            return
        time.sleep(0.2)
    raise InputError(f"Client {count} could not connect within {CALL_SECONDS} s.")


def _measure(server: LiveServer, count: int, seconds: float) -> CapacityStep:
    def counters() -> list[tuple[int, int]]:
        return [
            (session.media_session.stats.fresh, session.media_session.stats.late)
            for session in server.service.clients.microphone_sessions()
        ]

    before, cpu, began = server.read(counters), cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    after, used, took = server.read(counters), cpu_seconds() - cpu, time.monotonic() - began
    fresh = [b[0] - a[0] for a, b in zip(before, after, strict=True)]
    late = sum(b[1] - a[1] for a, b in zip(before, after, strict=True))
    return CapacityStep(
        count,
        round(min(fresh) / took, 2),
        round(late / max(1, late + sum(fresh)), 5),
        round(used / took, 3),
        round(memory_mb(), 1),
    )
