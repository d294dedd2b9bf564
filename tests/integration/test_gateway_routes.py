"""Proves the gateway's responses to clients of several servers: the server's address, or that all are full."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from deterministic_engine import DeterministicEngine
from live_server import LiveServer
from modelless import make_service
from starlette.applications import Starlette
from waiting import forever, until
from websockets.asyncio.client import connect

from server.app import build_app
from server.config import ServerConfig
from server.gateway import ClientSettings, Gateway, Placement
from server.gateway import routes as gateway_routes
from streaming.session import Settings

SERVER = "http://server-1.example/"


async def acquire(
    session: str | None, client_settings: ClientSettings | None
) -> AsyncIterator[Placement | ClientSettings]:
    """The only server has one slot, and the client that gets it presents."""
    yield Placement(session or "first", SERVER)
    yield ClientSettings(Settings("bob", "happy"), 0.1, "news", 2)
    await forever()


@asynccontextmanager
async def desk_in_front_of(places: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LiveServer]:
    """A gateway that listens."""
    taken = 0

    async def acquire_or_wait(
        session: str | None, client_settings: ClientSettings | None
    ) -> AsyncIterator[Placement | ClientSettings]:
        nonlocal taken
        taken += 1
        if taken > places:
            await forever()
        async for told in acquire(session, client_settings):
            yield told

    monkeypatch.setattr("server.gateway.ACQUIRE_TIMEOUT_SECONDS", 60 if places else 0.2)
    service, gateway = make_service(ServerConfig()), Gateway(acquire_or_wait)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await gateway.aclose()

    listener = socket.create_server(("127.0.0.1", 0))
    app = build_app(service, gateway_routes(gateway, service.access), lifespan)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = asyncio.create_task(server._serve([listener]), name="gateway")
    await until(lambda: server.started)
    yield LiveServer(listener.getsockname()[1], service, DeterministicEngine(), server)
    server.should_exit = True
    await serving
    listener.close()


async def presenters(gateway: LiveServer) -> list[dict[str, object]]:
    return (await gateway.json("/api/presenters"))["presenters"]


async def test_clients_and_viewers_are_sent_to_the_server_of_their_session(monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk_in_front_of(1, monkeypatch) as gateway:
        assert (await gateway.http("GET", "/readyz"))[0] == 200
        assert (await gateway.http("POST", "/whep/news"))[0] == 404
        status, headers, _ = await gateway.http("POST", "/whip")
        assert status == 307 and headers["location"].startswith(f"{SERVER}whip?session=first&token=")
        assert await until(lambda: presenters(gateway)) == [{"name": "news", "avatar": "bob", "viewers": 2}]
        status, headers, _ = await gateway.http("POST", "/whep/news")
        assert status == 307 and headers["location"].startswith(f"{SERVER}whep/news?token=")
        assert b"styletalk_placed_sessions 1" in (await gateway.http("GET", "/metrics"))[2]
        for query in ("session=first", "watch=news"):
            async with connect(f"ws://127.0.0.1:{gateway.port}/ws?{query}&format=json") as channel:
                told = json.loads(await channel.recv())
            assert told["type"] == "session.placed" and told["url"] == SERVER and told["token"]


async def test_a_full_cluster_and_an_unknown_presenter_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk_in_front_of(0, monkeypatch) as gateway:
        status, headers, body = await gateway.http("POST", "/whip")
        assert (status, json.loads(body)["code"]) == (503, "server_full") and int(headers["retry-after"]) > 0
        for query, code in (("", "server_full"), ("watch=nobody&", "not_found")):
            async with connect(f"ws://127.0.0.1:{gateway.port}/ws?{query}format=json") as channel:
                assert json.loads(await channel.recv())["code"] == code
