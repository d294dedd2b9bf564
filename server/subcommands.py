"""Subcommands whose module is imported only when they are called, so that `styletalk --help` is instant.

A subcommand is a module with ``add_arguments(parser)`` and ``run(args) -> dict``; a group of subcommands
(`styletalk bench`) has ``add_arguments`` alone. ``run`` prints its own report unless ``args.json``; then the
returned object is printed as the last line.
"""

import argparse
import importlib
from collections.abc import Mapping
from typing import Any


class _LazyParser(argparse.ArgumentParser):
    """A parser that asks its module for arguments at the moment it has to parse."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(**options)
        self._module: str | None = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._module is not None:
            module = importlib.import_module(self._module)
            self._module = None
            module.add_arguments(self)
            if hasattr(module, "run"):
                self.set_defaults(run=module.run)
                if not any(action.dest == "json" for action in self._actions):
                    self.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        return super().parse_known_args(args, namespace)


def add_subcommands(parser: argparse.ArgumentParser, table: Mapping[str, tuple[str, str]]) -> None:
    """Adds one subcommand per row of ``name -> (module, summary)``."""
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_LazyParser)
    for name, (module, summary) in table.items():
        description = summary[0].upper() + summary[1:] + "."
        subparsers.add_parser(name, module=module, help=summary, description=description)
