"""Subcommands that are imported on demand, so that `styletalk --help` is instant.

A subcommand is a module with ``add_arguments(parser)`` and ``run(args) -> dict``; a group of subcommands
(`styletalk bench`) has ``add_arguments`` alone. ``run`` prints its own report unless ``args.json``; then the
returned object is printed as the last line.
"""

import argparse
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from styletalk_core.weights import SETS

Run = Callable[[argparse.Namespace], dict[str, Any]]
Around = Callable[[Run], Run]
"""Wraps a ``run`` function."""

OWN_PACKAGES = ("server", "streaming", "styletalk_core")
OLD_SPELLINGS = {"recogniser": "recognizer"}
"""Hidden aliases: names of subcommands in the last release."""


class _LazyParser(argparse.ArgumentParser):
    """Parser that takes the arguments from its module when it parses."""

    def __init__(self, *, module: str, around: Around | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._module: str | None = module
        self._around = around

    def _imported(self, name: str) -> Any:
        """Import the module; exit with an install command when a package of the `lab` extra is missing."""
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            parts = (error.name or "").split(".")
            if not error.name or (parts[0] in OWN_PACKAGES and "lab" not in parts):
                raise
            self.exit(2, f"{self.prog}: the package {error.name} is missing: pip install 'styletalk-live[lab]'\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._module is not None:
            module = self._imported(self._module)
            self._module = None
            module.add_arguments(self)
            if hasattr(module, "run"):
                self.set_defaults(run=self._around(module.run) if self._around else module.run)
                add_common_arguments(self)
        return super().parse_known_args(args, namespace)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of every subcommand."""
    if not any(action.dest == "json" for action in parser._actions):
        parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--weights", choices=SETS, help="packaged weights and styles: default, or free (see licences)")


def add_subcommands(
    parser: argparse.ArgumentParser, table: Mapping[str, tuple[str, str]], around: Mapping[str, Around] | None = None
) -> None:
    """Adds one subcommand per row of ``name -> (module, summary)``; ``around`` wraps the ``run`` of those it names."""
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_LazyParser)
    for name, (module, summary) in table.items():
        description = summary[0].upper() + summary[1:] + "."
        wrapped = (around or {}).get(name)
        subparsers.add_parser(name, module=module, around=wrapped, help=summary, description=description)
    for old, name in OLD_SPELLINGS.items():
        if name in table:
            subparsers.add_parser(old, module=table[name][0])
