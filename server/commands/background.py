"""`styletalk background add|list|remove`: what can stand behind a portrait.

Runs on: the main thread.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.home import user_folder
from styletalk_core.renderer.background import BackgroundLibrary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the three actions."""
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=argparse.ArgumentParser)
    add = actions.add_parser("add", help="store a picture")
    add.add_argument("name", help="short name: letters, digits, '-' and '_'")
    add.add_argument("picture", type=Path, help="a picture; its middle square is used")
    add.set_defaults(run=_add)
    listing = actions.add_parser("list", help="list the backgrounds")
    listing.set_defaults(run=_list)
    remove = actions.add_parser("remove", help="delete a picture that was added")
    remove.add_argument("name")
    remove.set_defaults(run=_remove)
    for action in (add, listing, remove):
        action.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def _library() -> BackgroundLibrary:
    return BackgroundLibrary(user_folder("backgrounds"))


def _add(args: argparse.Namespace) -> dict[str, Any]:
    started = time.perf_counter()
    _library().add(args.name, args.picture)
    if not args.json:
        print(f"Added the background {args.name}.")
    return {"name": args.name, "seconds": round(time.perf_counter() - started, 3)}


def _list(args: argparse.Namespace) -> dict[str, Any]:
    entries = [asdict(entry) for entry in _library().entries()]
    if not args.json:
        print("\n".join(f"{entry['name']:16} {entry['title']} ({entry['kind']})" for entry in entries))
    return {"backgrounds": entries}


def _remove(args: argparse.Namespace) -> dict[str, Any]:
    _library().remove(args.name)
    if not args.json:
        print(f"Removed the background {args.name}.")
    return {"name": args.name}
