"""Runs all benchmarks in turn, each in its own process, and writes one table and one file per machine.

Every entry of the file has its commit and date. Running a benchmark separately (`--only soak`) replaces only its entry;
a failed benchmark keeps its previous results.
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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from server.lab.benchmarks.machine import Machine

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
    "recognizer-accuracy": ["recognizer-accuracy"],
    "languages": ["languages"],
}
"""Benchmarks and their arguments. Only `quality` and `recognizer-accuracy` need recordings outside the repository, only
`languages` needs espeak-ng."""
MAX_BENCHMARK_SECONDS: Final = 1800
"""A benchmark that takes longer is stopped."""
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


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmarks; a failure is reported and does not stop the others."""
    here = Machine.here()
    result: dict[str, Any] = {"machine": here.name, "cores": here.cores, "python": platform.python_version()}
    taken = {"commit": _commit(), "date": datetime.datetime.now(datetime.UTC).date().isoformat()}
    path = None
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / f"{re.sub('[^a-z0-9]+', '-', result['machine'].lower()).strip('-')}-{result['cores']}.json"
        result = (json.loads(path.read_text()) if path.exists() else {}) | result
    if not args.json:
        print(f"{result['machine']}, {result['cores']} cores, commit {taken['commit']}, {taken['date']}")
    for name in args.only or RUNS:
        figures = measured(RUNS[name])
        if "failed" not in figures or "failed" in result.get(name, figures):
            result[name] = taken | figures
            if path is not None:
                path.write_text(json.dumps(result, indent=2) + "\n")
        if not args.json:
            _print_rows(name, figures)
    if path is not None and not args.json:
        print(f"written to {path}")
    return result


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


def _print_rows(name: str, figures: Mapping[str, Any]) -> None:
    """One line per figure: benchmark, key, value."""
    if "failed" in figures:
        print(f"  {name:<14}failed: {figures['failed']}")
        return
    keys = _SHOWN.get(RUNS[name][0]) or [k for k, value in figures.items() if isinstance(value, int | float)]
    for key in keys:
        value = figures[key]
        print(
            f"  {name:<14}{key:<24}{value:>10.3f}" if isinstance(value, float) else f"  {name:<14}{key:<24}{value:>10}"
        )


def _commit() -> str:
    """The commit of this checkout, with a plus if files are modified; empty outside a checkout."""
    here = Path(__file__).parent
    asked = [["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
    try:
        commit, changed = (
            subprocess.run(one, cwd=here, capture_output=True, text=True, check=True).stdout.strip() for one in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changed else "")
