"""Feeds many cases to every target and prints one JSON object per target.

The cases are generated here and processed by a sandboxed process, whose crashes, hangs and memory growth are observed.
Growth is measured from after the first tenth of the cases to the end.
"""

import argparse
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzzing.targets import TARGETS

SLOW_SECONDS, HANG_SECONDS = 5, 30
PIECE = 2_000
"""Cases of one run of Hypothesis, which remembers all of a run."""
SHARES = {"offer": 0.1, "fragment": 0.15, "message": 0.3, "sound": 0.15, "clip": 0.15, "photo": 0.15}


@dataclass
class Worker:
    """The process at work on one target, and what became of the cases."""

    target: str
    kept: Path
    outcomes: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("accepted", "refused", "failed", "crashed", "hung"), 0)
    )
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self._start()

    def _start(self) -> None:
        command = (sys.executable, "-m", "fuzzing.worker", self.target)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert _pipe(self._process.stdout).readline() == b"ready\n"

    def run(self, case: bytes) -> None:
        """Hands over one case and notes what came of it; a bad or slow one is kept in a file."""
        began = time.perf_counter()
        outcome, words = self._hand_over(case)
        took = time.perf_counter() - began
        self.slowest = max(self.slowest, took)
        self.outcomes[outcome] += 1
        if outcome not in ("accepted", "refused") or took > SLOW_SECONDS:
            self.kept.mkdir(parents=True, exist_ok=True)
            name = f"{self.target}-{outcome}-{self.outcomes[outcome]}-{took:.1f}s"
            (self.kept / name).write_bytes(case)
            (self.kept / f"{name}.txt").write_text(words)

    def _hand_over(self, case: bytes) -> tuple[str, str]:
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        try:
            stdin.write(len(case).to_bytes(4) + case)
            stdin.flush()
        except BrokenPipeError:
            return self._ended("crashed")
        if not select.select([stdout], [], [], HANG_SECONDS)[0]:
            return self._ended("hung")
        if not (line := stdout.readline()):
            return self._ended("crashed")
        answer = json.loads(line)
        if "failure" in answer:
            return "failed", answer["failure"]
        return ("accepted" if answer["accepted"] else "refused"), ""

    def _ended(self, how: str) -> tuple[str, str]:
        self.close()
        words = f"status {self._process.returncode}"
        self._start()
        return how, words

    def resident(self) -> float:
        """Megabytes of memory the process has."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def fuzz(target: str, cases: int, first_seed: int, kept: Path) -> dict[str, object]:
    """Feeds one target."""
    worker = Worker(target, kept)
    settled, began = 0.0, time.monotonic()
    eaten = 0

    def run(case: bytes) -> None:
        nonlocal settled, eaten
        worker.run(case)
        eaten += 1
        if eaten == max(1, cases // 10):
            settled = worker.resident()

    try:
        for piece in range(0, cases, PIECE):
            options = settings(
                max_examples=min(PIECE, cases - piece),
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            seed(first_seed + piece)(options(given(TARGETS[target].cases())(run)))()
        grown = worker.resident() - settled
    finally:
        worker.close()
    took = time.monotonic() - began
    return {
        "target": target,
        "cases": eaten,
        **worker.outcomes,
        "slowest_s": round(worker.slowest, 3),
        "grown_mb": round(grown, 1),
        "seconds": round(took),
    }


def main() -> int:
    """Returns 0 where nothing failed, crashed or hung."""
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="of all targets together (default: 100000)")
    parser.add_argument("--target", choices=TARGETS, help="only this one, with its share of the cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path("../artefacts/fuzzing"), help="folder for cases that failed")
    args = parser.parse_args()
    bad = 0
    for name in [args.target] if args.target else TARGETS:
        result = fuzz(name, round(args.cases * SHARES[name]), args.seed, args.kept)
        print(json.dumps(result), flush=True)
        bad += any(result[how] for how in ("failed", "crashed", "hung"))
    return bad


if __name__ == "__main__":
    sys.exit(main())
