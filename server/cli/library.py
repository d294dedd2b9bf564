"""Actions common to `styletalk style`, `avatar` and `background`: list, show and remove entries of a library.

Runs on: the main thread.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from server.cli.subcommands import add_common_arguments
from styletalk_core.library.user_library import Named, UserLibrary

T = TypeVar("T", bound=Named)
Entry = Mapping[str, Any]
"""Description of one entry, as JSON."""


@dataclass(frozen=True, slots=True)
class LibraryCommands(Generic[T]):
    """Actions on one library.

    Attributes:
        noun: kind of the entries, such as "style".
        open: opens the user's library.
        describe: describes every entry, in display order.
        line: formats one entry as a line of a list.
    """

    noun: str
    open: Callable[[], UserLibrary[T]]
    describe: Callable[[], Sequence[Entry]]
    line: Callable[[Entry], str]

    def actions(self, parser: argparse.ArgumentParser) -> "Actions":
        """Begin the list of actions."""
        return Actions(parser)

    def add_list(self, actions: "Actions") -> None:
        """Add the action that lists all entries."""
        actions.add("list", f"list the {self.noun}s", self._list)

    def add_remove(self, actions: "Actions", what: str) -> None:
        """Add the action that deletes an added entry, called ``what`` in the help."""
        actions.add("remove", f"delete {what} that was added", self._remove).add_argument("name")

    def say_added(self, args: argparse.Namespace, details: str = "") -> None:
        """Report an entry that was added."""
        say(args, f"Added the {self.noun} {args.name}{details}.")

    def _list(self, args: argparse.Namespace) -> dict[str, Any]:
        entries = self.describe()
        for entry in entries:
            say(args, self.line(entry))
        return {f"{self.noun}s": list(entries)}

    def _remove(self, args: argparse.Namespace) -> dict[str, Any]:
        self.open().remove(args.name)
        say(args, f"Removed the {self.noun} {args.name}.")
        return {"name": args.name}


class Actions:
    """The actions of a subcommand."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(metavar="ACTION", required=True, parser_class=argparse.ArgumentParser)

    def add(self, name: str, help: str, run: Callable[[argparse.Namespace], dict[str, Any]]) -> argparse.ArgumentParser:
        """Add an action; returns its parser."""
        parser = self._parsers.add_parser(name, help=help)
        add_common_arguments(parser)
        parser.set_defaults(run=run)
        return parser


def say(args: argparse.Namespace, sentence: str) -> None:
    """Print a sentence, unless the output is JSON."""
    if not args.json:
        print(sentence)
