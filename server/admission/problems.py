"""What every refused request is answered with: a status, a code for programs and a sentence for people.

Runs on: event loop.
"""

import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

logger = logging.getLogger(__name__)

CODES = {404: "not_found", 405: "method_not_allowed"}
"""Codes of what the router itself refuses."""


class Refusal(ValueError):
    """Something that is not done; the text says why, ``code`` says it to programs."""

    def __init__(self, code: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields


def problem(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON: ``{"code", "message"}``."""
    return JSONResponse({"code": code, "message": message}, status, headers)


async def refused(request: Request, error: Exception) -> Response:
    """The answer to a request for which there is no route."""
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "refused")
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request) or {"GET", "HEAD"}))
    return problem(error.status_code, code, f"{request.method} {request.url.path} is not served here.", headers)


def _methods(request: Request) -> set[str]:
    """What the routes of a path take together; empty where the page's files are."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    path = next((route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE), None)
    return {method for route in routes if route.path == path for method in route.methods or ()}


async def failed(request: Request, error: Exception) -> Response:
    """The answer to a request whose route failed; the traceback is logged."""
    logger.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "failed", "The server could not do this; its log says why.")
