"""`styletalk style add|list|show|remove|map`: the manners of speaking.

Runs on: the main thread.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from server.home import user_folder
from styletalk_core.errors import InputError
from styletalk_core.styles import Style, StyleLibrary

PROGRESS_STEP = 5
"""Percent between two lines {"done": share} that `add --json` prints before its result."""
MAP_SUFFIXES = (".png", ".svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the five actions."""
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=argparse.ArgumentParser)
    add = actions.add_parser("add", help="make a style of a video of somebody talking")
    add.add_argument("name", help="short name: letters, digits, '-' and '_'")
    add.add_argument("clip", type=Path, help="2 seconds to 5 minutes of one person, at most 200 MB")
    add.set_defaults(run=_add)
    listing = actions.add_parser("list", help="list the styles")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="describe one style")
    show.add_argument("name")
    show.set_defaults(run=_show)
    remove = actions.add_parser("remove", help="delete a style that was added")
    remove.add_argument("name")
    remove.set_defaults(run=_remove)
    chart = actions.add_parser("map", help="place all styles in the plane, similar ones near each other")
    chart.add_argument("--output", type=Path, metavar="FILE.png|FILE.svg", help="draw the map")
    chart.set_defaults(run=_map)
    for action in (add, listing, show, remove, chart):
        action.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def _library() -> StyleLibrary:
    return StyleLibrary(user_folder("styles"))


def _say(args: argparse.Namespace, sentence: str) -> None:
    if not args.json:
        print(sentence)


def _add(args: argparse.Namespace) -> dict[str, Any]:
    # MediaPipe takes a second to import: only `add` waits for it.
    from styletalk_core.style_clip import style_from_video

    library = _library()
    library.check_name(args.name)
    started = time.perf_counter()
    with tqdm(total=100, desc="Watching the face", bar_format="{desc} {bar} {n:.0f} %", leave=False) as bar:

        def progress(share: float) -> None:
            before = bar.n
            bar.update(100 * share - before)
            if args.json and bar.n // PROGRESS_STEP > before // PROGRESS_STEP:
                print(json.dumps({"done": round(share, 3)}), flush=True)

        clip = style_from_video(args.clip, args.name, progress)
    library.add(clip.style)
    seconds = time.perf_counter() - started
    for note in clip.notes:
        _say(args, f"Note: {note}.")
    style = clip.style
    _say(args, f"Added the style {style.name} from {style.frames_used} frames in {seconds:.1f} s.")
    return _described(library, style) | {"seconds": round(seconds, 3), "notes": list(clip.notes)}


def _list(args: argparse.Namespace) -> dict[str, Any]:
    library = _library()
    styles = [_described(library, library.get(name)) for name in library.names()]
    for style in styles:
        _say(args, f"{style['name']:16} {style['kind']:8} motion energy {style['motion_energy']:.2f}")
    return {"styles": styles}


def _show(args: argparse.Namespace) -> dict[str, Any]:
    library = _library()
    style = _described(library, library.get(args.name))
    for key, value in style.items():
        _say(args, f"{key.replace('_', ' '):14} {value}")
    return style


def _remove(args: argparse.Namespace) -> dict[str, Any]:
    _library().remove(args.name)
    _say(args, f"Removed the style {args.name}.")
    return {"name": args.name}


def _map(args: argparse.Namespace) -> dict[str, Any]:
    from styletalk_core.style_map import draw_map, map_styles

    if args.output and args.output.suffix.lower() not in MAP_SUFFIXES:
        raise InputError(f"{args.output} must end in {' or '.join(MAP_SUFFIXES)}")
    library = _library()
    places = map_styles([library.get(name) for name in library.names()])
    for place in places:
        _say(args, f"{place.name:16} {place.x:+.3f} {place.y:+.3f}")
    if args.output:
        draw_map(places, args.output)
        _say(args, f"Wrote {args.output}.")
    return {"styles": [asdict(place) for place in places]}


def _described(library: StyleLibrary, style: Style) -> dict[str, Any]:
    return {
        "name": style.name,
        "kind": library.kind(style.name),
        "source": style.source,
        "frames_used": style.frames_used,
        "tracked_share": style.tracked_share,
        "motion_energy": style.motion_energy,
    }
