"""ASGI middleware for authentication, origin checks, rate limits and security headers.

Runs on: event loop.

A loopback server is open to every program on its machine, but must not be open to every web site in its browser: the
Host header must name this machine (against DNS rebinding), and the Origin, if any, must be the server's own (against
cross-site requests) or an allowed one. Any other server requires its key or a token, and limits the request rate per
address.
"""

import math
from collections.abc import Collection, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.auth.access import PAGE_SECONDS, Access, AccessScope
from server.auth.limits import AddressAllowances
from server.errors import problem

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE = "styletalk-token"
PUBLIC_PATHS = frozenset({"/healthz", "/readyz"})
FULL_ACCESS = "styletalk.full_access"
"""Key of an ASGI scope for the guard's note whether the request has full access."""
POLICY_VIOLATION = 1008  # WebSocket close code
REQUESTS_PER_SECOND = 20.0
REQUESTS_AT_ONCE = 200.0
WRONG_KEY_COST = 20.0
"""Cost of a wrong key in requests: after the burst, one guess per second."""


class Guard:
    """Rejects unauthorized requests and adds security headers to every response.

    Args:
        app: the guarded application.
        access: the key and its tokens.
        loopback: whether only this machine can connect.
        origins: other web sites whose pages may use the server.
        public: paths that need no key, besides health.
        media: further origins that the page may connect to, for its content security policy.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        loopback: bool,
        origins: Collection[str] = (),
        public: Collection[str] = (),
        media: Collection[str] = (),
    ) -> None:
        self._app = app
        self._access = access
        self._rebindable = loopback and access.open
        self._origins = frozenset(origins)
        self._public = PUBLIC_PATHS | frozenset(public)
        self._allowances = None if loopback else AddressAllowances(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE)
        self._headers = security_headers(origins, media)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        guarded = _with_headers(send, self._headers)
        answer = self._refusal(scope) or self._welcome(scope)
        if answer is None:
            await self._app(scope, receive, guarded)
        elif scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await answer(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._rebindable and _hostname(host) not in LOOPBACK_NAMES:
            return problem(421, "wrong_host", "The Host header must name this machine.")
        if origin is not None and origin not in self._origins and _place(origin) != host:
            return problem(403, "foreign_origin", "Requests from other web sites are not allowed.")
        if wait := self._spend(scope, 1.0):
            return _slow_down(wait)
        scope[FULL_ACCESS] = self._access.open
        if self._access.open or scope["path"] in self._public or _is_preflight(scope, headers):
            return None
        allowed = [found for given in _given(scope, headers) if (found := self._access.scope(given)) is not None]
        if not allowed:
            wait = self._spend(scope, WRONG_KEY_COST)
            return _slow_down(wait) if wait else _unauthorized()
        if not any(one.allows(scope.get("method", "GET"), scope["path"]) for one in allowed):
            return problem(403, "forbidden", "This token allows sessions only.")
        scope[FULL_ACCESS] = AccessScope.FULL in allowed
        return None

    def _spend(self, scope: Scope, cost: float) -> float:
        """Charges the client's address; returns the seconds until its next request is allowed."""
        if self._allowances is None or not scope.get("client"):
            return 0.0
        return self._allowances.of(scope["client"][0]).refuse(cost)

    def _welcome(self, scope: Scope) -> Response | None:
        """Redirects a page opened with ?key= or ?token= to the address without it, and sets a cookie.

        A page cannot set headers on the files it loads, and a URL with a secret ends up in histories and logs.
        """
        query = dict(_query(scope))
        if self._access.open or scope["path"] != "/" or not query.keys() & {"key", "token"}:
            return None
        key, token = query.pop("key", ""), query.pop("token", "")
        headers = {
            "Location": f"./?{urlencode(query)}" if query else "./"
        }  # behind a proxy the server may be mounted below a path
        if key and self._access.scope(key) is AccessScope.FULL:
            token = self._access.token(AccessScope.FULL, PAGE_SECONDS).text
        if token and self._access.scope(token) is not None:
            headers["Set-Cookie"] = self._cookie(token, scope.get("scheme", "http") == "https")
        return Response(None, 303, headers)

    def _cookie(self, token: str, secure: bool) -> str:
        """Return the page's cookie; it is sent inside frames of other sites only when they are allowed."""
        site = "None; Partitioned" if secure and self._origins else "Strict"
        ending = "; Secure" if secure else ""
        return f"{COOKIE}={quote(token)}; Path=/; HttpOnly; Max-Age={PAGE_SECONDS}; SameSite={site}{ending}"


def security_headers(origins: Collection[str], media: Collection[str]) -> dict[str, str]:
    """Return the security headers; pages of ``origins`` may frame the page, which may connect to ``media``."""
    connect = " ".join(("'self'", *media))
    frames = " ".join(origins) or "'none'"
    headers = {
        "Content-Security-Policy": (
            "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; "
            f"style-src 'self' 'unsafe-inline'; connect-src {connect}; object-src 'none'; base-uri 'none'; "
            f"frame-ancestors {frames}; form-action 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "cross-origin" if origins else "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return headers if origins else headers | {"X-Frame-Options": "DENY"}


def _unauthorized() -> Response:
    words = "An API key is needed: send Authorization: Bearer KEY, or open the page once with ?key=KEY."
    return problem(401, "unauthorized", words, {"WWW-Authenticate": "Bearer"})


def _slow_down(wait: float) -> Response:
    seconds = str(math.ceil(wait))
    return problem(429, "too_many_requests", f"Too many requests; try again in {seconds} s.", {"Retry-After": seconds})


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    """True for a CORS preflight request, which never carries a key."""
    return scope.get("method") == "OPTIONS" and "access-control-request-method" in headers


def _given(scope: Scope, headers: Headers) -> list[str]:
    """Return every key or token of a request."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    query = dict(_query(scope))
    given = [bearer if scheme.lower() == "bearer" else "", query.get("key", ""), query.get("token", "")]
    return [one for one in (*given, _cookie(headers)) if one]


def _query(scope: Scope) -> list[tuple[str, str]]:
    query: bytes = scope.get("query_string", b"")
    return parse_qsl(query.decode("latin-1"))


def _cookie(headers: Headers) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return unquote(cookie.value) if cookie else ""


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _place(origin: str) -> str | None:
    """Return host and port of an origin."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _with_headers(send: Send, extra: Mapping[str, str]) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            for name, value in extra.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped
