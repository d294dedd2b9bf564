"""Operation of the REST API: its address, bodies and errors, declared once for the route and for the OpenAPI document.

Pure.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.errors import Problem
from server.protocol.json_schema import Json, Message

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

EVERYWHERE = (401, 403, 429)
"""Errors of `Guard`, which every operation may have."""
PROBLEMS = {
    400: "The body cannot be used; the message says why.",
    401: "A key or a token is needed.",
    403: "The token does not allow this, or the request comes from another web site.",
    404: "There is no such resource.",
    413: "The body is too large.",
    415: "The media type of the body is not supported.",
    422: "The fragment restarts ICE, which is not supported: send a new offer.",
    429: "Too many requests or sessions; Retry-After says when to try again.",
    503: "Full, warming up or shutting down; Retry-After says when to try again.",
    507: "The server cannot store files; its disk is full or read-only.",
}


def json_body(message: Message) -> Json:
    """Return the content of a body that is a class."""
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{message.__name__}"}}}


def bytes_body(media_type: str) -> Json:
    """Return the content of a body that is a file or text."""
    return {media_type: {"schema": {"type": "string", "contentMediaType": media_type}}}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without a body.

    Attributes:
        status: HTTP status.
        description: for the document.
        headers: name -> description.
    """

    status: int
    description: str
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    @property
    def content(self) -> Json:
        """Media type -> schema; empty without a body."""
        return {}

    def described(self) -> Json:
        """Return the response object of the document."""
        headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in self.headers.items()}
        return {
            "description": self.description,
            **({"content": self.content} if self.content else {}),
            **({"headers": headers} if headers else {}),
        }


@dataclass(frozen=True, slots=True)
class FileAnswer(Answer):
    """A response whose body is a file or text of a media type."""

    media_type: str

    @property
    def content(self) -> Json:
        return bytes_body(self.media_type)


@dataclass(frozen=True, slots=True)
class JsonAnswer(Answer, Generic[T]):
    """A response whose body is a message class as JSON."""

    message: type[T]

    @property
    def content(self) -> Json:
        return json_body(self.message)

    def response(self, value: T, headers: Mapping[str, str] | None = None) -> Response:
        """Return the response that carries ``value``."""
        assert type(value) is self.message
        return JSONResponse(asdict(value), self.status, headers)


A_co = TypeVar("A_co", bound=Answer, covariant=True)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the path or in the query; those in the path are required."""

    name: str
    description: str
    pattern: str | None = "^[^/]+$"
    place: str = "path"

    def described(self) -> Json:
        """Return the parameter object of the document."""
        pattern = {"pattern": self.pattern} if self.pattern else {}
        named = {"name": self.name, "in": self.place, "description": self.description}
        if self.place != "path":
            return {**named, "schema": {"type": "string", **pattern}}
        return {**named, "required": True, "schema": {"type": "string", "minLength": 1, **pattern}}


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request: a message class as JSON, or a file or text of a media type."""

    kind: Message | str
    description: str
    required: bool = True

    @property
    def content(self) -> Json:
        """Media type -> schema."""
        return bytes_body(self.kind) if isinstance(self.kind, str) else json_body(self.kind)

    def described(self) -> Json:
        """Return the request body object of the document."""
        return {"description": self.description, "content": self.content, "required": self.required}


@dataclass(frozen=True, slots=True)
class Operation(Generic[A_co]):
    """One method of one address.

    Attributes:
        method: in capital letters.
        path: with parameters in braces.
        id: unique in the document.
        summary: of what it does.
        answer: of a request that succeeds.
        problems: statuses of its errors, besides `EVERYWHERE`.
        elsewhere: redirect to another server.
    """

    method: str
    path: str
    id: str
    summary: str
    answer: A_co
    problems: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    elsewhere: Answer | None = None

    def route(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
        """Return the route on which ``endpoint`` carries it out."""
        return Route(self.path, endpoint, methods=[self.method])

    def address(self, **parameters: str) -> str:
        """Return the path with its parameters filled in."""
        return self.path.format(**{name: quote(value) for name, value in parameters.items()})

    def described(self) -> Json:
        """Return the operation object of the document."""
        problem = {"content": json_body(Problem)}
        responses: dict[int, Json] = {
            status: {"description": PROBLEMS[status], **problem} for status in (*self.problems, *EVERYWHERE)
        }
        for answer in (self.answer, self.elsewhere):
            if answer is not None:
                responses[answer.status] = answer.described()
        parameters = [parameter.described() for parameter in self.parameters]
        return {
            "operationId": self.id,
            "summary": self.summary,
            "responses": {str(status): responses[status] for status in sorted(responses)},
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": self.body.described()} if self.body else {}),
        }

    def messages(self) -> list[Message]:
        """Return the message classes of its bodies."""
        answered = [self.answer.message] if isinstance(self.answer, JsonAnswer) else []
        return answered + ([self.body.kind] if self.body and not isinstance(self.body.kind, str) else [])
