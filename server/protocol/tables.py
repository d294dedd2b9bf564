"""The tables of docs/protocol.md, made from the message classes and the operations.

``python -m server.protocol.tables`` writes them into the document; a test compares.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from server.protocol import events, requests, rest_table
from server.protocol.decoder import fields_of
from server.protocol.events import Event
from server.protocol.operations import OPERATIONS
from server.protocol.requests import Request

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "protocol.md"
MARK: Final = "<!-- {edge} {name} -->"


def requests_table(messages: Sequence[type[Request]]) -> str:
    """Rows of what a client may send."""
    rows = [
        (
            f"`{message.type}`",
            _meaning(message),
            _listed((name, field.remark, field.required) for name, field in fields_of(message).items()),
            _code(message.answer),
        )
        for message in messages
    ]
    return _table(("message", "meaning", "fields", "answer"), rows)


def events_table(messages: Iterable[type[Event]]) -> str:
    """Rows of what the server sends."""
    rows = [
        (
            f"`{message.type}`",
            _meaning(message),
            _listed(events.described(message)),
        )
        for message in messages
    ]
    return _table(("message", "meaning", "fields"), rows)


def written(document: str) -> str:
    """The document with its tables made again."""
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    sent = [kind for kind in kinds if kind is not Event]
    tables = {
        "operations": _table(rest_table.HEAD, map(rest_table.row, OPERATIONS)),
        "client messages": requests_table(requests.CLIENT_REQUESTS),
        "viewer messages": requests_table(requests.VIEWER_REQUESTS),
        "server messages": events_table(sent),
        "shared messages": ", ".join(sorted(f"`{kind.type}`" for kind in sent if kind.shared)),
    }
    for name, table in tables.items():
        begin, end = (MARK.format(edge=edge, name=name) for edge in ("begin", "end"))
        before, rest = document.split(begin)
        document = f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return document


def _meaning(message: type) -> str:
    return " ".join((message.__doc__ or "").split()).rstrip(".")


def _listed(fields: Iterable[tuple[str, str, bool]]) -> str:
    """Fields with their remarks; the name of one that may be left out ends in a question mark."""
    names = ((name if required else f"{name}?", remark) for name, remark, required in fields)
    return ", ".join(f"`{name}`" + (f" ({remark})" if remark else "") for name, remark in names)


def _code(answer: str) -> str:
    return f"`{answer}`" if " " not in answer else answer


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text()))
