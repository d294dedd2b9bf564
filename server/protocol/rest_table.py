"""Rows of the REST table of docs/protocol.md, made from the operations and the classes of their bodies.

Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Literal, get_args, get_origin, get_type_hints

from server.protocol.json_schema import Message
from server.protocol.operation import Answer, Body, FileAnswer, JsonAnswer, Operation

HEAD = ("request", "meaning", "body", "response", "errors")


def row(operation: Operation[Answer]) -> Sequence[str]:
    """Return the cells of one operation; errors that every operation may have are left out."""
    asked = "&".join(parameter.name for parameter in operation.parameters if parameter.place == "query")
    address = f"`{operation.method} {operation.path}{f'?{asked}=' if asked else ''}`"
    problems = ", ".join(map(str, operation.problems))
    return address, operation.summary, _body(operation.body), _response(operation.answer), problems


def _body(body: Body | None) -> str:
    if body is None:
        return ""
    if isinstance(body.kind, str):
        return f"{body.description[0].lower()}{body.description[1:].rstrip('.')}"
    return _json(body.kind)


def _response(answer: Answer) -> str:
    match answer:
        case JsonAnswer():
            return f"{answer.status} {_json(answer.message)}"
        case FileAnswer():
            return f"{answer.status} `{answer.media_type}`"
    return str(answer.status)


def _json(message: Message) -> str:
    """Return the shape of a class and the remarks on its fields."""
    remarks = "; ".join(_remarks(message))
    return f"`{_shape(message)}`" + (f"; {remarks}" if remarks else "")


def _shape(message: Message) -> str:
    """Return the names in an object: ``{"styles": [{"name"}]}``; one that may be left out ends in a question mark."""
    hints, shown = get_type_hints(message), []
    for field in fields(message):
        inner = _item(hints[field.name])
        shown.append(f'"{field.name}"' + ("" if field.default is MISSING else "?") + (f": [{inner}]" if inner else ""))
    return f"{{{', '.join(shown)}}}"


def _item(kind: object) -> str:
    """Return the shape of the objects in a sequence, "" for any other type."""
    return "".join(map(_shape, _classes(kind)))


def _classes(kind: object) -> list[Message]:
    """Return the classes that a type is made from."""
    return [inner for inner in get_args(kind) if isinstance(inner, type) and is_dataclass(inner)]


def _remarks(message: Message) -> Iterator[str]:
    """Yield what the annotations say of the fields, and the words that a field may hold."""
    hints, plain = get_type_hints(message, include_extras=True), get_type_hints(message)
    for field in fields(message):
        notes = [note for note in getattr(hints[field.name], "__metadata__", ()) if isinstance(note, str)]
        words = get_args(plain[field.name]) if get_origin(plain[field.name]) is Literal else ()
        for text in (*notes, *([" or ".join(f"`{word}`" for word in words)] if words else [])):
            yield f"{field.name}: {text}"
        for inner in _classes(plain[field.name]):
            yield from _remarks(inner)
