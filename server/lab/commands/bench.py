"""`styletalk bench NAME`: one benchmark per module; each tells the machine, reference times and load of its run."""

import argparse
from typing import Any

from server.cli.subcommands import Run, add_subcommands

BENCHMARKS = {
    "all": ("server.lab.benchmarks.run_all", "all of them, as one table and one file"),
    "recognizer": ("styletalk_core.lab.benchmarks.recognizer", "real-time factor and look-ahead of the recognizer"),
    "recognizer-accuracy": ("styletalk_core.lab.benchmarks.recognizer_accuracy", "how right the recognizer is"),
    "decoder": ("styletalk_core.lab.benchmarks.decoder", "time per frame of the style-controllable decoder"),
    "renderer": ("styletalk_core.lab.benchmarks.renderer", "time per frame and memory of the renderers"),
    "encoder": ("server.lab.benchmarks.encoder", "time per frame and quality of VP8 under several settings"),
    "face": ("styletalk_core.lab.benchmarks.face", "accuracy of the face model and of style retrieval"),
    "latency": ("server.lab.benchmarks.latency", "microphone to displayed frame in a real browser"),
    "interruption": ("server.lab.benchmarks.interruption", "how soon a real browser is silent after an interruption"),
    "switch": ("server.lab.benchmarks.switch", "how soon a real browser shows another style or avatar"),
    "outage": ("server.lab.benchmarks.outage", "how soon a real browser is served again when the network is back"),
    "presenter": ("server.lab.benchmarks.presenter", "what one more viewer of a presenter costs"),
    "capacity": ("server.lab.benchmarks.capacity", "sessions held at full frame rate"),
    "churn": ("server.lab.benchmarks.churn", "what clients that come and go leave behind"),
    "batch": ("server.lab.benchmarks.batch", "decode and render for many sessions on one device, without a network"),
    "quality": ("server.lab.benchmarks.quality", "the paper's protocol on clips that nothing was trained on"),
    "soak": ("server.lab.benchmarks.soak", "drift, memory and late frames over minutes"),
}


ALL = "all"
"""Runs the others in processes of their own, which tell the machine themselves."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one subcommand per benchmark."""
    add_subcommands(parser, BENCHMARKS, {name: _with_machine for name in BENCHMARKS if name != ALL})


def _with_machine(run: Run) -> Run:
    """Return the benchmark's report, with the machine, reference times and load of its run."""

    def measured(args: argparse.Namespace) -> dict[str, Any]:
        from server.lab.benchmarks.machine import measured_with_machine  # `--help` needs none of what it imports

        return measured_with_machine(run)(args)

    return measured
