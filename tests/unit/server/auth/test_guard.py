"""Proves which requests are rejected before they reach a route."""

from typing import Any

import pytest

from server.auth.access import Access, AccessScope
from server.auth.guard import REQUESTS_AT_ONCE, Guard


async def ask(
    guard: Guard, kind: str = "http", path: str = "/whip", query: bytes = b"", method: str = "GET", **headers: str
) -> Any:
    """The status of an answer (the close code of a WebSocket), and its headers."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "path": path, "query_string": query, "headers": fields, "client": ("192.0.2.7", 1)}
    await guard(scope if kind == "websocket" else scope | {"method": method, "scheme": SCHEME}, receive, send)
    return sent[0].get("status", sent[0].get("code")), dict(sent[0].get("headers", []))


async def answers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


SCHEME = "http"
HOST = "127.0.0.1:8080"
ACCESS = Access("secret")
LOCAL = Guard(answers, Access(""), loopback=True)
KEYED = Guard(answers, ACCESS, loopback=False, public={"/main.js"})


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080"])
async def test_this_machine_is_let_in(host: str) -> None:
    assert (await ask(LOCAL, host=host))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
async def test_a_rebound_name_is_rejected(host: str) -> None:
    assert (await ask(LOCAL, host=host))[0] == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:9", "null", "https://localhost.evil.example"]
)
async def test_another_web_site_is_rejected(origin: str) -> None:
    assert (await ask(LOCAL, host=HOST, origin=origin))[0] == 403
    assert (await ask(LOCAL, kind="websocket", host=HOST, origin=origin))[0] == 1008


async def test_the_own_page_is_let_in() -> None:
    assert (await ask(LOCAL, host=HOST, origin=f"http://{HOST}"))[0] == 200


async def test_a_key_is_demanded_everywhere_but_for_health() -> None:
    host = "avatar.example"
    status, headers = await ask(KEYED, host=host)
    assert status == 401 and headers[b"www-authenticate"] == b"Bearer"
    assert (await ask(KEYED, host=host, authorization="Bearer wrong"))[0] == 401
    assert (await ask(KEYED, host=host, authorization="Bearer secret"))[0] == 200
    assert (await ask(KEYED, host=host, query=b"key=secret"))[0] == 200
    assert (await ask(KEYED, kind="websocket", host=host, path="/ws"))[0] == 1008
    assert (await ask(KEYED, host=host, path="/healthz"))[0] == 200
    assert (await ask(KEYED, host=host, path="/main.js"))[0] == 200


async def test_a_key_makes_a_loopback_server_answer_to_the_name_its_proxy_has() -> None:
    proxied = Guard(answers, ACCESS, loopback=True)
    assert (await ask(proxied, host="avatar.example", authorization="Bearer secret"))[0] == 200
    assert (await ask(proxied, host="avatar.example"))[0] == 401


async def test_the_key_in_the_address_becomes_a_cookie_without_the_key_that_is_good_for_all_the_page_loads() -> None:
    host = "avatar.example"
    status, headers = await ask(KEYED, host=host, path="/", query=b"key=secret&avatar=clara")
    assert (status, headers[b"location"]) == (303, b"./?avatar=clara")
    cookie = headers[b"set-cookie"].decode()
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "secret" not in cookie
    assert (await ask(KEYED, host=host, path="/api/styles", cookie=cookie.split(";")[0]))[0] == 200
    assert (await ask(KEYED, host=host, path="/api/styles", cookie="styletalk-token=wrong"))[0] == 401
    status, headers = await ask(KEYED, host=host, path="/", query=b"key=wrong")
    assert status == 401 and b"set-cookie" not in headers
    status, headers = await ask(KEYED, host=host, path="/", query=b"token=wrong", cookie=cookie.split(";")[0])
    assert status == 303 and b"set-cookie" not in headers


async def test_a_talk_token_talks_and_changes_nothing() -> None:
    guard = Guard(answers, ACCESS, loopback=False)
    bearer = {"host": "avatar.example", "authorization": f"Bearer {ACCESS.token(AccessScope.TALK, 60).text}"}
    assert (await ask(guard, method="POST", path="/whip", **bearer))[0] == 200
    assert (await ask(guard, path="/api/styles", **bearer))[0] == 200
    talk = bearer["authorization"].removeprefix("Bearer ")
    _, headers = await ask(guard, path="/", query=f"key={talk}".encode(), **bearer)
    assert b"full" not in headers.get(b"set-cookie", b"")
    for method, path in (("PUT", "/api/styles/x"), ("POST", "/api/tokens"), ("GET", "/metrics")):
        assert (await ask(guard, method=method, path=path, **bearer))[0] == 403, path


async def test_pages_of_an_allowed_origin_may_ask_and_frame() -> None:
    guard = Guard(answers, ACCESS, loopback=False, origins=["https://shop.example"])
    asking = {"host": "avatar.example", "origin": "https://shop.example"}
    status, headers = await ask(guard, **asking, authorization="Bearer secret")
    assert status == 200 and b"frame-ancestors https://shop.example" in headers[b"content-security-policy"]
    assert b"x-frame-options" not in headers
    assert (await ask(guard, method="OPTIONS", **asking, access_control_request_method="POST"))[0] == 200
    assert (await ask(guard, host="avatar.example", origin="https://other.example"))[0] == 403


async def test_an_address_that_floods_or_guesses_is_rate_limited() -> None:
    flooded = Guard(answers, ACCESS, loopback=False)
    knows = {"host": "avatar.example", "authorization": "Bearer secret"}
    statuses = [(await ask(flooded, **knows))[0] for _ in range(int(REQUESTS_AT_ONCE) + 20)]
    assert statuses[:100] == [200] * 100 and statuses[-1] == 429
    guessed = Guard(answers, ACCESS, loopback=False)
    statuses = [(await ask(guessed, host="avatar.example", query=b"key=guess"))[0] for _ in range(20)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert statuses.count(401) < 12


@pytest.mark.parametrize("host", ["[", "[::1", "\u0000"])
async def test_a_malformed_name_is_rejected(host: str) -> None:
    assert (await ask(LOCAL, host=host))[0] == 421
    assert (await ask(LOCAL, host=HOST, origin=f"http://{host}"))[0] == 403


async def test_every_answer_carries_the_security_headers() -> None:
    for status_headers in (await ask(LOCAL, host=HOST), await ask(LOCAL, host="evil.example")):
        headers = status_headers[1]
        assert b"default-src 'self'" in headers[b"content-security-policy"]
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert b"microphone=(self)" in headers[b"permissions-policy"]
