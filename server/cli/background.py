"""`styletalk background add|list|remove`: background images.

Runs on: the main thread.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.cli.library import Entry, LibraryCommands
from server.paths import user_folder
from styletalk_core.library.backgrounds import BackgroundLibrary
from styletalk_core.library.enrollment import enroll_background


def _library() -> BackgroundLibrary:
    return BackgroundLibrary(user_folder("backgrounds"))


def _describe() -> list[Entry]:
    return [asdict(entry) for entry in _library().entries()]


def _line(background: Entry) -> str:
    return f"{background['name']:16} {background['title']} ({background['kind']})"


COMMANDS = LibraryCommands("background", _library, _describe, _line)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the three actions."""
    actions = COMMANDS.actions(parser)
    add = actions.add("add", "add an image", _add)
    add.add_argument("name", help="short name: letters, digits, '-' and '_'")
    add.add_argument("picture", type=Path, help="an image; its central square is used")
    COMMANDS.add_list(actions)
    COMMANDS.add_remove(actions, "a background")


def _add(args: argparse.Namespace) -> dict[str, Any]:
    background = enroll_background(_library(), args.name, args.picture)
    COMMANDS.say_added(args)
    return asdict(background)
