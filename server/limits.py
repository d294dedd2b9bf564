"""The guard in front of the routes: who may ask, how much, and what browsers are told about the answers.

Runs on: event loop, as ASGI middleware.

A loopback server is open to every program of its machine, so it must not become open to every web site that the
machine's browser shows: the Host header must name this machine (against DNS rebinding) and the Origin, if any, must be
the server's own (against cross-site requests). A server for others demands its key.
"""

import hmac
from collections.abc import Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE = "styletalk-key"
PUBLIC_PATHS = frozenset({"/healthz", "/readyz"})
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; "
        "style-src 'self' 'unsafe-inline'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class BodyTooLarge(Exception):
    """The request body exceeds its limit."""


async def read_body(request: Request, limit: int) -> bytes:
    """Reads a request body of at most ``limit`` bytes.

    Raises:
        BodyTooLarge: there is more; the rest is not read.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


class Guard:
    """Turns away what must not reach the routes, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, api_key: str, loopback: bool) -> None:
        self._app = app
        self._api_key = api_key
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send, self._greeting(scope)))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            await _refuse(_with_headers(send, SECURITY_HEADERS), *refusal)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._loopback and urlsplit(f"//{host}").hostname not in LOOPBACK_NAMES:
            return 421, "This server is called by the name of this machine only."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "Requests from other web sites are not answered."
        if self._api_key and scope["path"] not in PUBLIC_PATHS and not self._knows_key(scope, headers):
            return 401, "An API key is needed: Authorization: Bearer KEY."
        return None

    def _knows_key(self, scope: Scope, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = [bearer] if scheme.lower() == "bearer" else []
        # A page cannot set headers on what it loads: it is opened with ?key=KEY once and then has a cookie.
        given += [_key_in_query(scope), _key_in_cookie(headers)]
        return any(hmac.compare_digest(key.encode(), self._api_key.encode()) for key in given)

    def _greeting(self, scope: Scope) -> dict[str, str]:
        """The headers of every answer, with the cookie for who came with the key in the address."""
        if not self._api_key or not _key_in_query(scope):
            return SECURITY_HEADERS
        cookie = f"{COOKIE}={quote(self._api_key)}; Path=/; HttpOnly; SameSite=Strict"
        return SECURITY_HEADERS | {"Set-Cookie": cookie}


def _key_in_query(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1")).get("key", [""])[0]


def _key_in_cookie(headers: Headers) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return unquote(cookie.value) if cookie else ""


def _with_headers(send: Send, extra: Mapping[str, str]) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in extra.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped


async def _refuse(send: Send, status: int, message: str) -> None:
    start: MutableMapping[str, Any] = {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", b"text/plain; charset=utf-8")],
    }
    if status == 401:
        start["headers"].append((b"www-authenticate", b"Bearer"))
    await send(start)
    await send({"type": "http.response.body", "body": message.encode()})
