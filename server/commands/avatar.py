"""`styletalk avatar add|list|show|remove`: the portraits that can speak.

Runs on: the main thread.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from server.home import user_folder
from styletalk_core.errors import InputError
from styletalk_core.renderer.portrait import AvatarLibrary, enrol

SIZES = range(256, 1025)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the four actions."""
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=argparse.ArgumentParser)
    add = actions.add_parser("add", help="make an avatar of a photo")
    add.add_argument("name", help="short name: letters, digits, '-' and '_'")
    add.add_argument("photo", type=Path, help="a photo of a face that looks into the camera")
    add.add_argument("--title", help="name shown to people")
    add.add_argument("--size", type=int, default=512, help="side of the video in pixels, 256 to 1024 (default: 512)")
    add.set_defaults(run=_add)
    listing = actions.add_parser("list", help="list the avatars")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="describe one avatar, or write its picture")
    show.add_argument("name")
    show.add_argument("--output", type=Path, metavar="FILE.jpg", help="write the portrait as a JPEG file")
    show.set_defaults(run=_show)
    remove = actions.add_parser("remove", help="delete an avatar that was added")
    remove.add_argument("name")
    remove.set_defaults(run=_remove)
    for action in (add, listing, show, remove):
        action.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def _library() -> AvatarLibrary:
    return AvatarLibrary(user_folder("avatars"))


def _say(args: argparse.Namespace, sentence: str) -> None:
    if not args.json:
        print(sentence)


def _add(args: argparse.Namespace) -> dict[str, Any]:
    if args.size not in SIZES:
        raise InputError(f"the size {args.size} is not between {SIZES[0]} and {SIZES[-1]}")
    started = time.perf_counter()
    _library().add(enrol(args.photo, args.name, args.title, args.size))
    seconds = time.perf_counter() - started
    _say(args, f"Added the avatar {args.name} in {seconds:.1f} s.")
    return {"name": args.name, "size": args.size, "seconds": round(seconds, 3)}


def _list(args: argparse.Namespace) -> dict[str, Any]:
    library = _library()
    avatars = [
        {"name": name, "title": library.get(name).title, "kind": "built in" if library.is_builtin(name) else "added"}
        for name in library.names()
    ]
    for avatar in avatars:
        _say(args, f"{avatar['name']:16} {avatar['title']} ({avatar['kind']})")
    return {"avatars": avatars}


def _show(args: argparse.Namespace) -> dict[str, Any]:
    library = _library()
    portrait = library.get(args.name)
    if args.output:
        args.output.write_bytes(portrait.thumbnail(portrait.size))
        _say(args, f"Wrote {args.output}.")
    kind = "built in" if library.is_builtin(args.name) else "added"
    _say(args, f"{portrait.name}: {portrait.title}, {kind}, {portrait.size} x {portrait.size}")
    return {"name": portrait.name, "title": portrait.title, "kind": kind, "size": portrait.size}


def _remove(args: argparse.Namespace) -> dict[str, Any]:
    _library().remove(args.name)
    _say(args, f"Removed the avatar {args.name}.")
    return {"name": args.name}
