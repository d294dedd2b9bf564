"""`styletalk bench NAME`: one benchmark per module; each reports its machine, reference times and system load."""

import argparse
from typing import Any

from server.cli.subcommands import Run, add_subcommands

BENCHMARKS = {
    "all": ("server.lab.benchmarks.run_all", "all benchmarks, as one table and one file"),
    "recognizer": ("styletalk_core.lab.benchmarks.recognizer", "real-time factor and look-ahead of the recognizer"),
    "recognizer-accuracy": ("styletalk_core.lab.benchmarks.recognizer_accuracy", "accuracy of the recognizer"),
    "languages": ("server.lab.benchmarks.languages", "the recognizer in eight languages, and lips from told phones"),
    "decoder": ("styletalk_core.lab.benchmarks.decoder", "time per frame of the style-controllable decoder"),
    "renderer": ("styletalk_core.lab.benchmarks.renderer", "time per frame and memory of the renderers"),
    "encoder": ("server.lab.benchmarks.encoder", "time per frame and quality of VP8 with several settings"),
    "face": ("styletalk_core.lab.benchmarks.face", "accuracy of the face model and of style retrieval"),
    "latency": ("server.lab.benchmarks.latency", "microphone to displayed frame in a real browser"),
    "interruption": ("server.lab.benchmarks.interruption", "time until a real browser is silent after an interruption"),
    "switch": ("server.lab.benchmarks.switch", "time until a real browser shows another style or avatar"),
    "outage": ("server.lab.benchmarks.outage", "recovery time of a real browser after a network outage"),
    "presenter": ("server.lab.benchmarks.presenter", "cost of each additional viewer of a presenter"),
    "capacity": ("server.lab.benchmarks.capacity", "number of sessions at full frame rate"),
    "churn": ("server.lab.benchmarks.churn", "resource leaks after many short calls"),
    "batch": ("server.lab.benchmarks.batch", "decoding and rendering for many sessions, without a network"),
    "quality": ("server.lab.benchmarks.quality", "the paper's evaluation on clips outside the training set"),
    "portraits": ("styletalk_core.lab.benchmarks.portraits", "automatic checks of many photos as avatars"),
    "soak": ("server.lab.benchmarks.soak", "drift, memory and late frames of a long call"),
}


ALL = "all"
"""Runs the other benchmarks in separate processes, which report the machine themselves."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one subcommand per benchmark."""
    add_subcommands(parser, BENCHMARKS, {name: _with_machine for name in BENCHMARKS if name != ALL})


def _with_machine(run: Run) -> Run:
    """Wraps a benchmark so that its report includes the machine, reference times and system load."""

    def measured(args: argparse.Namespace) -> dict[str, Any]:
        from server.lab.benchmarks.machine import measured_with_machine  # not needed for `--help`

        return measured_with_machine(run)(args)

    return measured
