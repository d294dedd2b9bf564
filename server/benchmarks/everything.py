"""All benchmarks one after the other, each in a process of its own: one table, and one file per machine.

The file says on what machine, from which commit and when, so that figures can be told apart and repeated.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

RUNS: Final = {
    "decoder": [],
    "recognizer": [],
    "renderer": [],
    "batch": [],
    "latency": [],
    "interruption": [],
    "capacity": ["--size", "512"],
    "churn": [],
    "soak": ["--minutes", "2"],
}
"""What runs without the training data, and how."""
_SHOWN: Final = {
    "decoder": ("ms_per_frame_b1", "ms_per_frame_b8", "ratio_uncached", "style_switch_ms"),
    "recognizer": ("rtf", "lookahead_ms", "step_ms"),
    "renderer": ("ms_512", "ms_256", "speed_ratio_256", "memory_mb"),
    "latency": ("p50_ms", "p95_ms", "skew_mean_ms", "skew_p95_ms", "fps"),
    "capacity": ("sessions", "fps", "late_share", "cpu_per_session", "memory_mb_per_session"),
    "soak": ("drift_ms", "rss_growth_mb", "late_share", "loop_block_p99_ms"),
}
"""Figures of the table; benchmarks that are not named show all that are numbers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk bench all`."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write FOLDER/<machine>.json, too")
    parser.add_argument("--only", nargs="+", choices=list(RUNS), metavar="NAME", help=f"of {', '.join(RUNS)}")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Runs them; one that fails is told and does not stop the others."""
    result: dict[str, Any] = {
        "machine": _machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    if not args.json:
        print(f"{result['machine']}, {result['cores']} cores, commit {result['commit']}, {result['date']}")
    for name in args.only or RUNS:
        result[name] = _measured(name, RUNS[name])
        if not args.json:
            _print_rows(name, result[name])
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / f"{re.sub('[^a-z0-9]+', '-', result['machine'].lower()).strip('-')}-{result['cores']}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        if not args.json:
            print(f"written to {path}")
    return result


def _measured(name: str, options: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "server.cli", "bench", name, "--json", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines()
        return {"failed": said[-1] if said else f"exit status {ended.returncode}"}
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures


def _print_rows(name: str, figures: dict[str, Any]) -> None:
    """One line per figure: benchmark, key, value."""
    if "failed" in figures:
        print(f"  {name:<14}{figures['failed']}")
        return
    keys = _SHOWN.get(name) or [key for key, value in figures.items() if isinstance(value, int | float)]
    for key in keys:
        value = figures[key]
        print(
            f"  {name:<14}{key:<24}{value:>10.3f}" if isinstance(value, float) else f"  {name:<14}{key:<24}{value:>10}"
        )


def _machine() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of this checkout, with a plus where files differ from it; empty outside a checkout."""
    here = Path(__file__).parent
    asked = [["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
    try:
        commit, changed = (
            subprocess.run(one, cwd=here, capture_output=True, text=True, check=True).stdout.strip() for one in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changed else "")
