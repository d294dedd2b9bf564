"""Session tokens and ICE servers for clients.

Runs on: event loop. Routes: POST /api/tokens (only with the key), GET /api/ice-servers.
"""

import json
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.auth.access import MAX_TOKEN_SECONDS, AccessScope
from server.auth.limits import BodyTooLarge, read_body
from server.errors import problem
from server.service import Service
from server.webrtc.turn import CREDENTIAL_SECONDS

TOKEN_SECONDS = 600
MAX_TOKEN_REQUEST_BYTES = 1024
NOT_STORED = {"Cache-Control": "no-store"}


async def post_token(request: Request) -> Response:
    """Return a session token, for sites that keep their key private and give tokens to their clients."""
    service: Service = request.app.state.service
    try:
        seconds = _wished_seconds(await read_body(request, MAX_TOKEN_REQUEST_BYTES))
    except BodyTooLarge:
        return problem(413, "too_large", f"The request body must be at most {MAX_TOKEN_REQUEST_BYTES} bytes.")
    except ValueError as error:
        return problem(400, "bad_request", str(error))
    token = service.access.token(AccessScope.TALK, seconds)
    return JSONResponse({"token": token.text, "expires_in": token.seconds}, 201, NOT_STORED)


def _wished_seconds(body: bytes) -> int:
    """Return the requested lifetime in seconds.

    Raises:
        ValueError: the body is not a valid request.
    """
    if not body:
        return TOKEN_SECONDS
    try:
        wish = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("The body must be JSON.") from error
    seconds = wish.get("seconds", TOKEN_SECONDS) if isinstance(wish, dict) else None
    if isinstance(seconds, float) and seconds.is_integer():
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MAX_TOKEN_SECONDS:
        raise ValueError(f'The body must be {{"seconds": N}} with N from 1 to {MAX_TOKEN_SECONDS}.')
    return seconds


async def get_ice_servers(request: Request) -> Response:
    """Return the TURN servers of a client, with its own credentials."""
    service: Service = request.app.state.service
    servers = [asdict(server) for server in service.ice_servers("client")]
    return JSONResponse({"ice_servers": servers, "expires_in": CREDENTIAL_SECONDS}, headers=NOT_STORED)


routes = [
    Route("/api/tokens", post_token, methods=["POST"]),
    Route("/api/ice-servers", get_ice_servers),
]
