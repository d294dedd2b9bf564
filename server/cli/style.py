"""`styletalk style add|list|show|remove|map`: speaking styles.

Runs on: the main thread.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.cli.library import Entry, LibraryCommands, say
from server.paths import user_folder
from styletalk_core.errors import InputError
from styletalk_core.face.spaces import MESH64
from styletalk_core.library.styles import StyleLibrary

PROGRESS_STEP = 5
"""Step in percent of the lines {"done": share} that `add --json` prints before its result."""
MAP_SUFFIXES = (".png", ".svg")


def _library() -> StyleLibrary:
    return StyleLibrary(user_folder("styles"))


def _describe() -> list[Entry]:
    from styletalk_core.library.enrollment import StyleSummary

    library = _library()
    return [asdict(StyleSummary.of(library, library.get(name))) for name in library.names()]


def _line(style: Entry) -> str:
    return f"{style['name']:16} {style['kind']:8} motion energy {style['motion_energy']:.2f}"


COMMANDS = LibraryCommands("style", _library, _describe, _line)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the five actions."""
    actions = COMMANDS.actions(parser)
    add = actions.add("add", "create a style from a video of a person talking", _add)
    add.add_argument("name", help="short name: letters, digits, '-' and '_'")
    add.add_argument("clip", type=Path, help="2 seconds to 5 minutes of one person, or a .mat of the authors")
    COMMANDS.add_list(actions)
    actions.add("show", "describe one style", _show).add_argument("name")
    COMMANDS.add_remove(actions, "a style")
    chart = actions.add("map", "map all styles in 2D, similar ones close together", _map)
    chart.add_argument("--output", type=Path, metavar="FILE.png|FILE.svg", help="draw the map")


def _add(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from styletalk_core.library.enrollment import enroll_style

    with tqdm(total=100, desc="Watching the face", bar_format="{desc} {bar} {n:.0f} %", leave=False) as bar:

        def progress(share: float) -> None:
            before = bar.n
            bar.update(100 * share - before)
            if args.json and bar.n // PROGRESS_STEP > before // PROGRESS_STEP:
                print(json.dumps({"done": round(share, 3)}), flush=True)

        style = enroll_style(_library(), args.name, args.clip, progress)
    for note in style.notes:
        say(args, f"Note: {note}.")
    if style.conversion_error is not None:
        other = "the authors'" if style.space == MESH64 else "this project's"
        say(
            args,
            f"With {other} motion network its coefficients are estimates, with an error of "
            f"{style.conversion_error:.0%} of the motion on people not used for the fit.",
        )
    COMMANDS.say_added(args, f" from {style.frames_used} frames in {style.seconds:.1f} s")
    return asdict(style)


def _show(args: argparse.Namespace) -> dict[str, Any]:
    from styletalk_core.library.enrollment import StyleSummary

    library = _library()
    style = asdict(StyleSummary.of(library, library.get(args.name)))
    for key, value in style.items():
        say(args, f"{key.replace('_', ' '):14} {value}")
    return style


def _map(args: argparse.Namespace) -> dict[str, Any]:
    from styletalk_core.library.style_map import draw_map, map_styles

    if args.output and args.output.suffix.lower() not in MAP_SUFFIXES:
        raise InputError(f"{args.output} must end in {' or '.join(MAP_SUFFIXES)}")
    library = _library()
    places = map_styles([library.get(name) for name in library.names()])
    for place in places:
        say(args, f"{place.name:16} {place.x:+.3f} {place.y:+.3f}")
    if args.output:
        draw_map(places, args.output)
        say(args, f"Wrote {args.output}.")
    return {"styles": [asdict(place) for place in places]}
