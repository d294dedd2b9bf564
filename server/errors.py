"""JSON error responses: a status, a code for programs and a sentence for people.

Runs on: event loop.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from server.protocol.json_schema import Pattern
from streaming.errors import ControlFailed, StreamingError
from styletalk_core.errors import INTERNAL, StyleTalkError

logger = logging.getLogger(__name__)

CODES = {404: "not_found", 405: "method_not_allowed"}
"""Codes of the errors that the router itself raises."""
SORRY = "The server failed; see its log for the cause."
"""Message of every unexpected error."""


class Refusal(StyleTalkError, ValueError):
    """A refused request; the text is for people, ``code`` for programs."""

    code = "refused"
    status = 400

    def __init__(self, code: str, message: str, **fields: int) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Problem:
    """Body of an error response."""

    code: Annotated[str, Pattern("^[a-z_]+$")]
    message: str


def problem(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as JSON, see `Problem`."""
    return JSONResponse(asdict(Problem(code, message)), status, headers)


async def refused(request: Request, error: Exception) -> Response:
    """Answer a request without a matching route."""
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "refused")
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request) or {"GET", "HEAD"}))
    return problem(error.status_code, code, f"{request.method} {request.url.path} is not served here.", headers)


def _methods(request: Request) -> set[str]:
    """Return the methods that a path accepts; empty for the page's files."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    path = next((route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE), None)
    return {method for route in routes if route.path == path for method in route.methods or ()}


async def failed(request: Request, error: Exception) -> Response:
    """Answer a request whose route failed unexpectedly; the traceback is logged and the error counted."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    request.app.state.service.internal_errors["http"] += 1
    return problem(500, INTERNAL, SORRY)


async def told(request: Request, error: Exception) -> Response:
    """Answer a request whose route raised an error of the tree."""
    if request.scope["type"] != "http":  # a channel reports its own errors
        raise error
    if isinstance(error, ControlFailed):  # logged and counted where it failed
        return problem(error.status, error.code, SORRY)
    if not isinstance(error, StyleTalkError | StreamingError) or error.status == 500:
        return await failed(request, error)
    return problem(error.status, error.code, sentence(error))


def sentence(words: object) -> str:
    """Return the text of an error as a sentence."""
    text = str(words)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
