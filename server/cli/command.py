"""Entry point of the `styletalk` command: runs a subcommand, prints its result, reports bad input in one sentence.

Runs on: the main thread.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

from server.cli.subcommands import add_subcommands
from server.priority import ONE_THREAD
from streaming.errors import EngineFailure
from styletalk_core import weights
from styletalk_core.errors import InputError, StorageError

COMMANDS = {
    "serve": ("server.cli.serve", "start the avatar server"),
    "render": ("server.cli.render", "render a video of a portrait speaking an audio file"),
    "presenter": ("server.cli.presenter", "record a live presenter, or publish it to a streaming server"),
    "style": ("server.cli.style", "add, list, show, map or remove speaking styles"),
    "avatar": ("server.cli.avatar", "add, list, show or remove portraits"),
    "background": ("server.cli.background", "add, list or remove backgrounds"),
    "recognize": ("server.cli.recognize", "print the phone labels of an audio file, one per video frame"),
    "doctor": ("server.cli.doctor", "check this machine and suggest fixes"),
}


GROUP = "styletalk.commands"
"""Entry points of further subcommands, such as those of `lab`: each a module and a summary."""


def commands() -> dict[str, tuple[str, str]]:
    """Return every subcommand of this installation by name: the module and a summary."""
    return COMMANDS | {point.name: _module_and_summary(point) for point in entry_points(group=GROUP)}


def _module_and_summary(point: EntryPoint) -> tuple[str, str]:
    """Reads an entry point; without the `lab` extra, importing its module names the package to install."""
    try:
        module, summary = point.load()
    except ModuleNotFoundError:
        return point.module, "needs the extra `lab`"
    return module, summary


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand and returns its exit status: 0 on success, 1 when a model failed, 2 on bad
    input or where files cannot be written, 130 when interrupted.
    """
    parser = argparse.ArgumentParser(prog="styletalk", description="Real-time streaming avatar server.")
    words = sys.argv[1:] if argv is None else argv
    add_subcommands(parser, COMMANDS if words and words[0] in COMMANDS else commands())
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")  # read when the command's module imports NumPy
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        if args.weights:
            weights.use(args.weights)
        result = args.run(args)
    except (InputError, StorageError) as error:
        print(f"styletalk: {error}", file=sys.stderr)
        return 2
    except EngineFailure as error:
        logging.getLogger(__name__).exception("a model failed")
        print(f"styletalk: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if args.json:
        print(json.dumps(result))
    return 0
