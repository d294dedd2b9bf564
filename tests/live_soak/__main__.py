"""Soaks a server in real time: a caller talks, a program presents, viewers come and go.

In `tests/`, ``python -m live_soak --minutes 60`` prints one JSON object per part of the time, then the result as one
more, and a sentence that says PASS or FAIL. The machine should do nothing else; what other programs took is told.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from live_soak.clients import PUSHED_RATE, Presenter, StayingClient, ViewerCounts, visit
from live_soak.judgement import SoakPart, SoakResult, complaints, result_of
from live_soak.server import server_process
from server.lab.benchmarks.machine import measured_with_machine
from streaming.units import TICK_RATE
from styletalk_core.audio import read_audio

SPEECH = Path(__file__).parents[1] / "data/speech/two_sentences.flac"
PARTS = 12
SETTLE_SECONDS = 20.0
SLOTS = 2
PASSING_VIEWERS = 2
LEAVE_SECONDS = 15.0
"""After the clients have left, until nothing of them may be left."""


async def soak(seconds: float, settings: dict[str, Any], quiet: bool = False) -> SoakResult:
    """Soaks a server for this many seconds; prints the parts."""
    samples = read_audio(SPEECH, TICK_RATE)
    microphone = (samples * 32_767).astype(np.int16)
    speech = (read_audio(SPEECH, PUSHED_RATE) * 32_767).astype("<i2").tobytes()
    caller, viewer, presenter, viewers = StayingClient(), StayingClient(), Presenter(), ViewerCounts()
    async with server_process(max_sessions=SLOTS, **settings) as server:
        before = await server.holds()
        async with asyncio.TaskGroup() as group:
            clients = [
                group.create_task(caller.talk(server.address, microphone), name="caller"),
                group.create_task(presenter.run(server.address, speech), name="presenter"),
            ]
            await presenter.started.wait()
            clients.append(group.create_task(viewer.watch(server.address), name="viewer who stays"))
            clients += [
                group.create_task(visit(server.address, seed, viewers), name=f"viewer {seed}")
                for seed in range(PASSING_VIEWERS)
            ]
            await asyncio.sleep(SETTLE_SECONDS)  # the first frames warm caches
            staying = {"caller": caller, "viewer": viewer}
            for client in staying.values():
                client.pair()
            parts = []
            for _ in range(PARTS):
                told = await server.part(seconds / PARTS)
                parts.append(SoakPart(told, {name: client.pair() for name, client in staying.items()}))
                if not quiet:
                    print(json.dumps(asdict(parts[-1])), flush=True)
            for task in clients:
                task.cancel()
        await asyncio.sleep(LEAVE_SECONDS)  # nothing tells when the server has let go of a peer that fell silent
        after = await server.holds()
    return result_of(seconds, parts, (before, after), presenter.counts, viewers)


def main() -> int:
    """Returns 0 if every figure is within its limit."""
    parser = argparse.ArgumentParser(prog="python -m live_soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="duration (60)")
    parser.add_argument("--size", default="auto", help="frame size, as for `styletalk serve` (auto)")
    parser.add_argument("--json", action="store_true", help="print the result only")
    args = parser.parse_args()

    results = []

    def run(args: argparse.Namespace) -> dict[str, Any]:
        results.append(asyncio.run(soak(args.minutes * 60, {"size": args.size}, args.json)))
        return asdict(results[0])

    told = measured_with_machine(run)(args)
    print(json.dumps(told))
    (result,) = results
    others = told["load"]["other_programs"]
    found, beside = complaints(result, others), f"other programs took {others:.0%} of the machine"
    if found:
        print(f"FAIL after {result.minutes:g} minutes ({beside}): {'; '.join(found)}")
        return 1
    print(f"PASS after {result.minutes:g} minutes ({beside}): no figure is beyond its limit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
