"""Generates the model card page from the headers of the weight files.

Runs on: any thread; reads the packaged weights.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import safe_open

_FOR_PROGRAMS: Final = frozenset({"config", "dimensions", "format", "settings"})
"""Header fields that are read by code or repeat the training settings."""
_OPENING: Final = """\
# Model cards

Each card is stored in the header of its weight file; `styletalk results` generates this page. The
[licences](licences.md) page lists every file, including those without a card, with its origin and licence; measured
quality is in the [results](results.md). Files in `free` belong to `--weights free`.
"""


def cards_page(folder: Path) -> str:
    """Builds the page for all weight files below ``folder`` that have a card."""
    sections = [_OPENING]
    for path in sorted(folder.rglob("*.safetensors"), key=lambda path: (path.name, path)):
        if card := read_card(path):
            lines = "\n".join(f"- {_words(name)}:{_told(value)}" for name, value in card.items())
            sections.append(f"## {path.relative_to(folder).as_posix()}\n\n{lines}\n")
    return "\n".join(sections)


def read_card(path: Path) -> dict[str, Any]:
    """Returns the model card in the header of a weight file; empty if there is none."""
    with safe_open(path, "np") as file:
        header = {name: _parsed(value) for name, value in sorted((file.metadata() or {}).items())}
    card = header.pop("card", {})
    return {name: value for name, value in (header | card).items() if name not in _FOR_PROGRAMS}


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _words(name: str) -> str:
    return name.replace("_", " ")


def _told(value: Any, depth: int = 1) -> str:
    """Formats a value after the colon: nested mappings become nested lists, the innermost one line."""
    if not isinstance(value, Mapping):
        return f" {'; '.join(map(str, value)) if isinstance(value, list) else value}"
    if any(isinstance(one, Mapping) for one in value.values()):
        lines = (f"{'  ' * depth}- {_words(name)}:{_told(one, depth + 1)}" for name, one in value.items())
        return "\n" + "\n".join(lines)
    return " " + "; ".join(f"{_words(name)} {one}" for name, one in value.items())
