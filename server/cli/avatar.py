"""`styletalk avatar add|list|show|remove`: portraits.

Runs on: the main thread.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.cli.library import Entry, LibraryCommands, say
from server.paths import user_folder
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.enrollment import DEFAULT_SIZE, enroll_avatar


def _library() -> AvatarLibrary:
    return AvatarLibrary(user_folder("avatars"))


def _kind(library: AvatarLibrary, name: str) -> str:
    return "built in" if library.is_builtin(name) else "added"


def _describe() -> list[Entry]:
    library = _library()
    return [{"name": name, "title": library.get(name).title, "kind": _kind(library, name)} for name in library.names()]


def _line(avatar: Entry) -> str:
    return f"{avatar['name']:16} {avatar['title']} ({avatar['kind']})"


COMMANDS = LibraryCommands("avatar", _library, _describe, _line)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the four actions."""
    actions = COMMANDS.actions(parser)
    add = actions.add("add", "create an avatar from a photo", _add)
    add.add_argument("name", help="short name: letters, digits, '-' and '_'")
    add.add_argument("photo", type=Path, help="a photo of a face looking into the camera")
    add.add_argument("--title", help="display name")
    size_help = f"side of the video in pixels, 256 to 1024 (default: {DEFAULT_SIZE})"
    add.add_argument("--size", type=int, default=DEFAULT_SIZE, help=size_help)
    add.add_argument("--face", type=int, default=1, metavar="N", help="which of several faces, largest first (1)")
    teeth = add.add_mutually_exclusive_group()
    teeth.add_argument("--smile", type=Path, metavar="PHOTO", help="a photo of the same person whose teeth it takes")
    teeth_help = "number of a row of the teeth bank (default: the photo's own, or one chosen by the face)"
    teeth.add_argument("--teeth", type=int, metavar="N", help=teeth_help)
    COMMANDS.add_list(actions)
    show = actions.add("show", "describe one avatar, or write its portrait", _show)
    show.add_argument("name")
    show.add_argument("--output", type=Path, metavar="FILE.jpg", help="write the portrait as a JPEG file")
    COMMANDS.add_remove(actions, "an avatar")


def _add(args: argparse.Namespace) -> dict[str, Any]:
    avatar = enroll_avatar(
        _library(), args.name, args.photo, args.title, args.size, args.face, teeth=args.teeth, smile=args.smile
    )
    for note in avatar.notes:
        say(args, f"Note: {note}.")
    others = f" from face {avatar.face} of {avatar.faces}; --face N takes another" if avatar.faces > 1 else ""
    COMMANDS.say_added(args, f" in {avatar.seconds:.1f} s{others}")
    return asdict(avatar)


def _show(args: argparse.Namespace) -> dict[str, Any]:
    library = _library()
    portrait = library.get(args.name)
    if args.output:
        args.output.write_bytes(portrait.thumbnail(portrait.size))
        say(args, f"Wrote {args.output}.")
    kind = _kind(library, args.name)
    say(args, f"{portrait.name}: {portrait.title}, {kind}, {portrait.size} x {portrait.size}")
    return {"name": portrait.name, "title": portrait.title, "kind": kind, "size": portrait.size}
