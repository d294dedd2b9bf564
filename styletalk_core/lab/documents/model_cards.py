"""The model cards that lie in the headers of the weight files, as one page for people.

Runs on: any thread; reads the packaged weights.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import safe_open

_FOR_PROGRAMS: Final = frozenset({"config", "dimensions", "format", "settings"})
"""Parts of a header that the code reads, or that the training's settings tell."""
_OPENING: Final = """\
# Model cards

Each card is what lies in the header of a weight file; `styletalk results` writes this page. What every file is, how it
is made and under which terms it may be used, also of those without a card, stands beside
[the weights](../styletalk_core/weights/README.md); how good they are, in the [results](results.md).
"""


def cards_page(folder: Path) -> str:
    """The page of all weight files in ``folder`` that carry a card."""
    sections = [_OPENING]
    for path in sorted(folder.glob("*.safetensors")):
        if card := read_card(path):
            lines = "\n".join(f"- {_words(name)}:{_told(value)}" for name, value in card.items())
            # Weights of 0.1 spell it in the British way.
            sections.append(f"## {path.name}\n\n{lines}\n".replace("ogniser", "ognizer"))
    return "\n".join(sections)


def read_card(path: Path) -> dict[str, Any]:
    """Return the model card in the header of a weight file; empty if there is none."""
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
    """Format the value after the colon: nested mappings become nested lists, the innermost one line."""
    if not isinstance(value, Mapping):
        return f" {'; '.join(map(str, value)) if isinstance(value, list) else value}"
    if any(isinstance(one, Mapping) for one in value.values()):
        lines = (f"{'  ' * depth}- {_words(name)}:{_told(one, depth + 1)}" for name, one in value.items())
        return "\n" + "\n".join(lines)
    return " " + "; ".join(f"{_words(name)} {one}" for name, one in value.items())
