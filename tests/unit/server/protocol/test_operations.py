"""Proves that bodies of HTTP are described as they are sent, and that what cannot be described is noticed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from server.http.openapi import document
from server.protocol.json_schema import Limits, Pattern, schema_of
from server.protocol.operation import JsonAnswer
from server.protocol.operations import LIST_UPLOADS, OPERATIONS, STYLE_THUMBNAIL
from server.protocol.resources import Upload, Uploads


@dataclass(frozen=True, slots=True)
class Part:
    kind: Literal["a", "b"]
    position: Annotated[int | None, Limits(0), "a remark"]


@dataclass(frozen=True, slots=True)
class Whole:
    code: Annotated[str, Pattern("^[a-z]+$")]
    parts: Sequence[Part]
    share: Annotated[float, Limits(0, 1)] = 0.5


def test_the_schema_of_a_class() -> None:
    part = {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "position": {"type": ["integer", "null"], "minimum": 0}},
        "required": ["kind", "position"],
    }
    assert schema_of(Whole) == {
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": "^[a-z]+$"},
            "parts": {"type": "array", "items": part},
            "share": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
        },
        "required": ["code", "parts"],
    }


def test_a_type_without_a_schema_is_an_error() -> None:
    with pytest.raises(TypeError, match="no JSON Schema"):
        schema_of(dict[str, int])


def test_a_response_has_the_fields_of_its_class_and_the_status_of_its_operation() -> None:
    uploads = Uploads(busy=True, done=0.5, uploads=[Upload("style", "me", None, 0.25)])
    response = LIST_UPLOADS.answer.response(uploads, {"Cache-Control": "no-store"})
    entry = {"kind": "style", "name": "me", "position": None, "done": 0.25}
    assert json.loads(bytes(response.body)) == {"busy": True, "done": 0.5, "uploads": [entry]}
    assert response.status_code == 200 and response.headers["cache-control"] == "no-store"


def test_an_address_is_quoted() -> None:
    assert STYLE_THUMBNAIL.address(name="a b") == "/api/styles/a%20b/thumbnail"


def test_every_class_and_operation_is_in_the_document_once() -> None:
    described = document(protected=False)
    shown = [(path, method.upper()) for path, item in described["paths"].items() for method in item]
    assert sorted(shown) == sorted((operation.path, operation.method) for operation in OPERATIONS)
    sent = {operation.answer.message.__name__ for operation in OPERATIONS if isinstance(operation.answer, JsonAnswer)}
    assert sent <= described["components"]["schemas"].keys()
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
