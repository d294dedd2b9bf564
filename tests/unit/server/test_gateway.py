"""Proves the gateway without servers: assignment of sessions, and their recovery when a server is lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from waiting import forever, turns, until

from server.gateway import ATTEMPTS, ClientSettings, Gateway, NoCapacity, Placement, ServerLost
from streaming.session import Settings

HAPPY = ClientSettings(Settings("bob", "happy", 0.7), 0.1, "news")


class Servers:
    """Each stay goes on until its server is lost or the session ends."""

    def __init__(self, places: int = 9) -> None:
        self.places = places
        self.asked: list[tuple[str | None, ClientSettings | None]] = []
        self.lose: dict[str, asyncio.Event] = {}
        self.failures = 0

    async def acquire(
        self, session: str | None, client_settings: ClientSettings | None
    ) -> AsyncIterator[Placement | ClientSettings]:
        self.asked.append((session, client_settings))
        if self.failures:
            self.failures -= 1
            raise ServerLost
        if len(self.lose) >= self.places:
            await forever()
        name = session or f"session {len(self.lose)}"
        self.lose[name] = asyncio.Event()
        yield Placement(name, f"http://server-{len(self.asked)}/")
        yield HAPPY
        await self.lose.pop(name).wait()
        raise ServerLost


async def test_a_session_stays_at_its_server() -> None:
    gateway = Gateway(Servers().acquire)
    placement = await gateway.place(None)
    assert await gateway.place(placement.session) == placement
    assert gateway.placed == 1
    await gateway.aclose()


async def test_a_session_whose_server_is_lost_is_resumed_on_another() -> None:
    servers = Servers()
    gateway = Gateway(servers.acquire)
    placement = await gateway.place(None)
    lost = servers.lose[placement.session]
    await turns()
    assert set(gateway.presenters()) == {"news"}
    lost.set()
    await until(lambda: not gateway.placed)
    again = await gateway.place(placement.session)
    assert again.session == placement.session and again.url != placement.url
    assert servers.asked[-1] == (placement.session, HAPPY)
    await gateway.aclose()


async def test_an_offer_meets_a_server_that_is_just_lost_and_goes_to_another() -> None:
    servers = Servers()
    servers.failures = ATTEMPTS - 1
    gateway = Gateway(servers.acquire)
    assert (await gateway.place(None)).url == "http://server-3/"
    await gateway.aclose()


async def test_without_a_slot_the_client_is_rejected_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.gateway.ACQUIRE_TIMEOUT_SECONDS", 0.05)
    gateway = Gateway(Servers(places=0).acquire)
    with pytest.raises(NoCapacity):
        await gateway.place(None)
    assert gateway.placed == 0


async def test_an_unknown_session_id_starts_a_new_session() -> None:
    servers = Servers()
    gateway = Gateway(servers.acquire)
    assert (await gateway.place("invented")).session != "invented"
    assert servers.asked == [(None, None)]
    await gateway.aclose()
