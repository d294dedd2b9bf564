"""Runs all benchmarks in turn, each in its own process, and writes one table and one file per machine.

Every entry of the file has its commit, date and duration, and the load by other programs. An interrupted run is resumed
by the next one of the same commit. Running a benchmark separately (`--only soak`) replaces only its entry; a failed
benchmark keeps its previous results.
"""

import argparse
import datetime
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from server.lab.benchmarks.machine import LOADED_SHARE, Machine, others_share
from styletalk_core.errors import InputError
from styletalk_core.library.user_library import write_atomically
from styletalk_core.weights import DEFAULT, chosen

RUNS: Final = {
    "decoder": ["decoder"],
    "recognizer": ["recognizer"],
    "renderer": ["renderer"],
    "batch": ["batch", "--seconds", "5"],
    "latency": ["latency", "--busy", "2"],
    "interruption": ["interruption", "--times", "12"],
    "switch": ["switch"],
    "outage": ["outage", "--times", "2"],
    "capacity": ["capacity", "--size", "512", "--seconds", "6"],
    "capacity-256": ["capacity", "--size", "256", "--seconds", "6"],
    "churn": ["churn", "--cycles", "500"],
    "soak": ["soak", "--minutes", "10"],
    "quality": ["quality"],
    "quality-free": ["quality", "--weights", "free"],
    "recognizer-accuracy": ["recognizer-accuracy"],
    "languages": ["languages"],
}
"""Benchmarks and their arguments. Only `quality`, `quality-free` and `recognizer-accuracy` need recordings outside the
repository, only `languages` needs espeak-ng."""
UNTIMED: Final = ("quality", "quality-free", "recognizer-accuracy", "languages")
"""Benchmarks without times, which may run on a busy machine."""
MAX_BENCHMARK_SECONDS: Final = 900
"""A benchmark that takes longer is stopped."""
_PROGRAM: Final = (":/", ":(top,exclude)docs", ":(top,exclude)README.md")
"""What `git status` compares: not the files and pages that benchmarks write."""
_SHOWN: Final = {
    "decoder": ("ms_per_frame_b1", "ms_per_frame_b8", "ratio_uncached", "style_switch_ms"),
    "recognizer": ("rtf", "lookahead_ms", "step_ms"),
    "renderer": ("ms_512", "ms_256", "speed_ratio_256", "memory_mb"),
    "latency": ("p50_ms", "p95_ms", "skew_mean_ms", "skew_p95_ms", "fps"),
    "capacity": ("sessions", "fps", "late_share", "cpu_per_session", "memory_mb_per_session"),
    "soak": ("drift_ms", "rss_growth_mb", "late_share", "loop_block_p99_ms"),
}
"""Columns of the table by benchmark; unlisted benchmarks show all their numbers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk bench all`."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="also write FOLDER/<machine>.json")
    parser.add_argument(
        "--only", nargs="+", choices=list(RUNS), metavar="NAME", help=f"run only these: {', '.join(RUNS)}"
    )
    parser.add_argument(
        "--restart", action="store_true", help="run all again, even if an interrupted run could be resumed"
    )


@dataclass(slots=True)
class Results:
    """Results of one machine, written after every benchmark.

    While a run of all benchmarks is not complete, ``unfinished`` in the file has its commit and the benchmarks left.

    Attributes:
        path: of the file; None to keep the results in memory.
        values: content of the file.
    """

    path: Path | None
    values: dict[str, Any]

    @classmethod
    def opened(cls, folder: Path | None, machine: Mapping[str, Any]) -> "Results":
        """Reads the results of earlier runs on ``machine``."""
        if folder is None:
            return cls(None, dict(machine))
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub("[^a-z0-9]+", "-", machine["machine"].lower()).strip("-")
        path = folder / f"{name}-{machine['cores']}.json"
        return cls(path, (json.loads(path.read_text()) if path.exists() else {}) | dict(machine))

    def left(self, commit: str) -> list[str]:
        """Return the benchmarks that an interrupted run of this commit has not reached."""
        found = self.values.get("unfinished", {})
        return [name for name in found["benchmarks"] if name in RUNS] if found.get("commit") == commit else []

    def note_left(self, commit: str, names: Sequence[str]) -> None:
        """Notes which benchmarks of a run of all are left."""
        self.values.pop("unfinished", None)
        if names:
            self.values["unfinished"] = {"commit": commit, "benchmarks": list(names)}
        self._write()

    def add(self, name: str, figures: Mapping[str, Any]) -> None:
        """Replaces the results of a benchmark; a failure replaces only another failure."""
        if "failed" not in figures or "failed" in self.values.get(name, figures):
            self.values[name] = dict(figures)
            self._write()

    def _write(self) -> None:
        if self.path is not None:
            write_atomically(self.path, f"{json.dumps(self.values, indent=2)}\n".encode(), self.path.parent)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmarks; a failure is reported and does not stop the others.

    A run of all benchmarks that was interrupted continues with the one that was interrupted.

    Raises:
        InputError: other than the default weights are chosen, whose file this is.
    """
    if chosen() != DEFAULT:
        raise InputError("bench all measures the default weights, and the quality of the free ones: omit --weights.")
    here = Machine.here()
    machine = {"machine": here.name, "cores": here.cores, "python": platform.python_version()}
    commit, date = _commit(), datetime.datetime.now(datetime.UTC).date().isoformat()
    results = Results.opened(args.out, machine)

    def say(line: str) -> None:
        if not args.json:
            print(line, flush=True)

    say(f"{here.name}, {here.cores} cores, commit {commit}, {date}")
    names = args.only or (not args.restart and results.left(commit)) or list(RUNS)
    if not args.only and len(names) < len(RUNS):
        say(f"continuing an interrupted run: {len(names)} of {len(RUNS)} benchmarks are left")
    began = time.monotonic()
    for index, name in enumerate(names):
        if not args.only:
            results.note_left(commit, names[index:])
        started = time.monotonic()
        figures = measured(RUNS[name])
        took = time.monotonic() - started
        results.add(name, {"commit": commit, "date": date, "seconds": round(took)} | figures)
        for line in _rows(name, figures):
            say(line)
    if not args.only:
        results.note_left(commit, [])
    say(f"{len(names)} benchmarks took {(time.monotonic() - began) / 60:.0f} minutes")
    if results.path is not None:
        say(f"written to {results.path}")
    return results.values


def measured(words: list[str]) -> dict[str, Any]:
    """Returns the report of `styletalk bench` with these arguments, or its error; ends all its processes."""
    command = [sys.executable, "-m", "server.cli", "bench", *words, "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        told, said = process.communicate(timeout=MAX_BENCHMARK_SECONDS)
    except subprocess.TimeoutExpired:
        return {"failed": f"not finished after {MAX_BENCHMARK_SECONDS} s"}
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0:
        lines = said.strip().splitlines()
        return {"failed": lines[-1] if lines else f"exit status {process.returncode}"}
    figures: dict[str, Any] = json.loads(told.splitlines()[-1])
    return figures


def _rows(name: str, figures: Mapping[str, Any]) -> Iterator[str]:
    """One line per figure: benchmark, key, value; and one if the machine was busy."""
    if "failed" in figures:
        yield f"  {name:<14}failed: {figures['failed']}"
        return
    keys = _SHOWN.get(RUNS[name][0]) or [k for k, value in figures.items() if isinstance(value, int | float)]
    for key in keys:
        value = figures[key]
        shown = f"{value:>10.3f}" if isinstance(value, float) else f"{value:>10}"
        yield f"  {name:<14}{key:<24}{shown}"
    share = others_share(figures)
    if share > LOADED_SHARE and name not in UNTIMED:
        yield f"  {name:<14}taken under load: other programs took {share:.0%} of the machine"


def _commit() -> str:
    """The commit of this checkout, with a plus if the program is modified; empty outside a checkout."""
    here = Path(__file__).parent
    status = ["git", "status", "--porcelain", "--untracked-files=no", "--", *_PROGRAM]
    asked = [["git", "rev-parse", "--short", "HEAD"], status]
    try:
        commit, changed = (
            subprocess.run(one, cwd=here, capture_output=True, text=True, check=True).stdout.strip() for one in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changed else "")
