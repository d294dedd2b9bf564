"""Decodes a client's message: a map from the wire becomes a request, each field checked before it is used.

Pure. A message with a wrong type, a missing or unknown field, or a value outside its range is refused with a sentence
that names the field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Final, get_type_hints

from server.protocol.fields import BadMessage, Check
from server.protocol.requests import Request

_MAX_QUOTED_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message: its check, its remark for the documentation, and whether it must be there."""

    check: Check[object]
    remark: str
    required: bool


def fields_of(message: type[Request]) -> Mapping[str, Field]:
    """The fields of a message class by name."""
    hints = get_type_hints(message, include_extras=True)
    found = {}
    for field in fields(message):
        check, *remark = hints[field.name].__metadata__
        found[field.name] = Field(check, "".join(remark), field.default is MISSING)
    return found


def decode(message: Mapping[str, object], allowed: Sequence[type[Request]]) -> Request:
    """The request that a client's message makes.

    Args:
        message: as it came, a map with a "type".
        allowed: the messages that its channel takes.

    Raises:
        BadMessage: there is no such message, or one of its fields is missing, unknown or not accepted.
    """
    name = message.get("type")
    kind = next((kind for kind in allowed if kind.type == name), None)
    if kind is None:
        raise BadMessage(f"There is no message of type {_quoted(name)} on this channel.")
    known = fields_of(kind)
    if unknown := [key for key in message if key != "type" and key not in known]:
        raise BadMessage(f"{name} has no field {_quoted(unknown[0])}.")
    if missing := [key for key, field in known.items() if field.required and key not in message]:
        raise BadMessage(f"{name} must have the field {missing[0]}.")
    return kind(**{key: _checked(key, field.check, message[key]) for key, field in known.items() if key in message})


def _checked(key: str, check: Check[object], value: object) -> object:
    try:
        return check.decode(value)
    except (ValueError, OverflowError) as error:
        raise BadMessage(f"{key} must be {check.accepts}.") from error


def _quoted(value: object) -> str:
    """A client's value as a sentence can show it."""
    text = ascii(value)
    return text if len(text) <= _MAX_QUOTED_CHARACTERS else f"{text[:_MAX_QUOTED_CHARACTERS]}..."
