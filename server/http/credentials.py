"""Session tokens and ICE servers for clients.

Runs on: event loop. Routes: POST /api/tokens (only with the key), GET /api/ice-servers.
"""

import json

from starlette.requests import Request
from starlette.responses import Response

from server.auth.access import MAX_TOKEN_SECONDS, AccessScope
from server.auth.limits import BodyTooLarge, read_body
from server.errors import problem
from server.protocol.operations import LIST_ICE_SERVERS, MAKE_TOKEN
from server.protocol.resources import DEFAULT_TOKEN_SECONDS, IceServers, Token, TokenRequest
from server.service import Service
from server.webrtc.turn import CREDENTIAL_SECONDS

MAX_TOKEN_REQUEST_BYTES = 1024
NOT_STORED = {"Cache-Control": "no-store"}


async def post_token(request: Request) -> Response:
    """Return a session token, for sites that keep their key private and give tokens to their clients."""
    service: Service = request.app.state.service
    try:
        wanted = _token_request(await read_body(request, MAX_TOKEN_REQUEST_BYTES))
    except BodyTooLarge:
        return problem(413, "too_large", f"The request body must be at most {MAX_TOKEN_REQUEST_BYTES} bytes.")
    except ValueError as error:
        return problem(400, "bad_request", str(error))
    token = service.access.token(AccessScope.TALK, wanted.seconds)
    return MAKE_TOKEN.answer.response(Token(token.text, token.seconds), NOT_STORED)


def _token_request(body: bytes) -> TokenRequest:
    """Decode the body; an empty one asks for the default.

    Raises:
        ValueError: the body is not a valid request.
    """
    if not body:
        return TokenRequest()
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("The body must be JSON.") from error
    seconds = values.get("seconds", DEFAULT_TOKEN_SECONDS) if isinstance(values, dict) else None
    if isinstance(seconds, float) and seconds.is_integer():
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MAX_TOKEN_SECONDS:
        raise ValueError(f'The body must be {{"seconds": N}} with N from 1 to {MAX_TOKEN_SECONDS}.')
    return TokenRequest(seconds)


async def get_ice_servers(request: Request) -> Response:
    """Return the TURN servers of a client, with its own credentials."""
    service: Service = request.app.state.service
    return LIST_ICE_SERVERS.answer.response(IceServers(service.ice_servers("client"), CREDENTIAL_SECONDS), NOT_STORED)


routes = [
    MAKE_TOKEN.route(post_token),
    LIST_ICE_SERVERS.route(get_ice_servers),
]
