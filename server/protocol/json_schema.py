"""JSON Schema of the classes of HTTP bodies.

Pure. Fields may be text, numbers, booleans, literals, further classes, sequences of these, and None beside them;
`Limits` and `Pattern` in an annotation narrow them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json: TypeAlias = Mapping[str, object]
Message: TypeAlias = type["DataclassInstance"]
"""Class of a body."""

_TYPES: dict[object, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Range of a number; either end may be open."""

    minimum: int | None = None
    maximum: int | None = None

    def narrow(self, schema: Json) -> Json:
        """Add the range to a schema."""
        ends = {"minimum": self.minimum, "maximum": self.maximum}
        return {**schema, **{end: value for end, value in ends.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Regular expression that a text matches."""

    pattern: str

    def narrow(self, schema: Json) -> Json:
        """Add the expression to a schema."""
        return {**schema, "pattern": self.pattern}


def schema_of(kind: object) -> Json:
    """Return the schema of a type.

    Raises:
        TypeError: the type is not one of those above.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    if origin is Annotated:
        schema = schema_of(arguments[0])
        for note in arguments[1:]:
            schema = note.narrow(schema) if isinstance(note, Limits | Pattern) else schema
        return schema
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is Sequence:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin in (Union, UnionType) and len(arguments) == 2 and arguments[1] is NoneType:
        present = schema_of(arguments[0])
        return {**present, "type": [present["type"], "null"]}
    if isinstance(kind, type) and is_dataclass(kind):
        return _object(kind)
    raise TypeError(f"{kind} has no JSON Schema")


def _object(message: Message) -> Json:
    """Return the schema of a class: fields without a default are required."""
    hints = get_type_hints(message, include_extras=True)
    properties = {
        field.name: {**schema_of(hints[field.name]), **({} if field.default is MISSING else {"default": field.default})}
        for field in fields(message)
    }
    required = [field.name for field in fields(message) if field.default is MISSING]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}
