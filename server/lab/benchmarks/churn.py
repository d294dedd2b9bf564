"""`styletalk bench churn`: resource leaks after many short calls.

Runs on: the main thread, with the server in another thread and each client in its own process.
"""

import argparse
import asyncio
import multiprocessing
import threading
import time
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.lab.benchmarks.capacity import memory_mb
from server.lab.benchmarks.live_server import LiveServer, live_server
from server.lab.benchmarks.load_clients import LoadClient
from styletalk_core.errors import InputError

WARM_UP_CYCLES = 60
FIRST_FRAME_SECONDS = 20
POOL_THREADS = ("uvloop_", "asyncio_")
"""Name prefixes of the event loop's pool threads, which are bounded in number and created on demand."""
CLEARING_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Belongings:
    """Resources held by the server."""

    memory_mb: float
    tasks: int
    threads: int
    descriptors: int
    free_slots: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--cycles", type=int, default=500, metavar="N", help="number of calls (500)")
    parser.add_argument("--together", type=int, default=2, metavar="N", help="simultaneous clients (2)")
    parser.add_argument("--size", type=int, choices=(256, 512), default=256, help="video size (256)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Connects clients in turn, each until its first video frame; every other one disconnects without a DELETE request.

    Raises:
        InputError: an invalid option, or a client received no frame.
    """
    if args.cycles < 1 or args.together < 1:
        raise InputError("--cycles and --together must be at least 1.")
    with live_server(size=args.size, max_sessions=args.together) as server:
        _visit(server, WARM_UP_CYCLES, args.together)
        before, began = belongings(server), time.monotonic()
        _visit(server, args.cycles, args.together)
        took = time.monotonic() - began
        after = belongings(server)
    result = {
        "cycles": args.cycles,
        "seconds_per_cycle": round(took / args.cycles * args.together, 3),
        "rss_growth_mb": round(after.memory_mb - before.memory_mb, 1),
        "tasks_left": after.tasks - before.tasks,
        "threads_left": after.threads - before.threads,
        "descriptors_left": after.descriptors - before.descriptors,
        "slots_left": args.together - after.free_slots,
    }
    if not args.json:
        for name, value in result.items():
            print(f"{name:<20}{value}")
    return result


def _visit(server: LiveServer, cycles: int, together: int) -> None:
    """Runs the clients and waits until the server has cleaned up."""
    shares = [cycles // together + (k < cycles % together) for k in range(together)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_come_and_go, args=(server.address, share), daemon=True) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise InputError("A client could not connect or received no frame.")
    deadline = time.monotonic() + CLEARING_SECONDS
    while server.service.worker.free_slots < together and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)


def belongings(server: LiveServer) -> Belongings:
    """Reads what the server holds now."""
    return Belongings(
        memory_mb(),
        server.read(lambda: len(asyncio.all_tasks())),
        sum(not thread.name.startswith(POOL_THREADS) for thread in threading.enumerate()),
        len(list(Path("/proc/self/fd").iterdir())),
        server.service.worker.free_slots,
    )


def _come_and_go(address: str, cycles: int) -> None:
    """Main function of a client process."""

    async def main() -> None:
        for cycle in range(cycles):
            peer_client = await _connected(address)
            async with asyncio.timeout(FIRST_FRAME_SECONDS):
                await peer_client.seen.wait()
            if cycle % 2:
                await peer_client.delete()
            await peer_client.peer.close()

    asyncio.run(main())


async def _connected(address: str) -> LoadClient:
    """Connects a client; retries while the slot of the previous client is still occupied."""
    async with asyncio.timeout(FIRST_FRAME_SECONDS):
        while True:
            try:
                return await LoadClient.begin(address)
            except urllib.error.HTTPError as refusal:
                if refusal.code != 503:
                    raise
                await asyncio.sleep(0.1)
