"""Proves who is turned away before any route is reached."""

from typing import Any

import pytest

from server.limits import Guard


async def ask(guard: Guard, kind: str = "http", path: str = "/whip", query: bytes = b"", **headers: str) -> Any:
    """The status of an answer (the close code of a WebSocket), and its headers."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await guard({"type": kind, "path": path, "query_string": query, "headers": fields}, receive, send)
    return sent[0].get("status", sent[0].get("code")), dict(sent[0].get("headers", []))


async def answers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


LOCAL = Guard(answers, "", loopback=True)
KEYED = Guard(answers, "secret", loopback=False)
HOST = "127.0.0.1:8080"


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080"])
async def test_this_machine_is_let_in(host: str) -> None:
    assert (await ask(LOCAL, host=host))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
async def test_a_rebound_name_is_turned_away(host: str) -> None:
    assert (await ask(LOCAL, host=host))[0] == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:9", "null", "https://localhost.evil.example"]
)
async def test_another_web_site_is_turned_away(origin: str) -> None:
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


async def test_the_key_in_the_address_becomes_a_cookie_that_is_good_for_everything_the_page_loads() -> None:
    host = "avatar.example"
    _, headers = await ask(KEYED, host=host, path="/", query=b"key=secret")
    cookie = headers[b"set-cookie"].decode()
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert (await ask(KEYED, host=host, path="/style.css", cookie=cookie.split(";")[0]))[0] == 200
    assert (await ask(KEYED, host=host, path="/style.css", cookie="styletalk-key=wrong"))[0] == 401
    status, headers = await ask(KEYED, host=host, path="/", query=b"key=wrong")
    assert status == 401 and b"set-cookie" not in headers


async def test_every_answer_carries_the_security_headers() -> None:
    for status_headers in (await ask(LOCAL, host=HOST), await ask(LOCAL, host="evil.example")):
        headers = status_headers[1]
        assert b"default-src 'self'" in headers[b"content-security-policy"]
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert b"microphone=(self)" in headers[b"permissions-policy"]
