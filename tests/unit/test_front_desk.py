"""Proves the front desk without servers: where sessions go, and what is left of them when a server is lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from server import front_desk
from server.front_desk import Choices, FrontDesk, NoPlace, Placement, ServerLost
from streaming.session import Settings

HAPPY = Choices(Settings("bob", "happy", 0.7), 0.1, "news")


class Servers:
    """Each stay goes on until its server is lost or the session ends."""

    def __init__(self, places: int = 9) -> None:
        self.places = places
        self.asked: list[tuple[str | None, Choices | None]] = []
        self.lose: dict[str, asyncio.Event] = {}
        self.failures = 0

    async def hold(self, session: str | None, choices: Choices | None) -> AsyncIterator[Placement | Choices]:
        self.asked.append((session, choices))
        if self.failures:
            self.failures -= 1
            raise ServerLost
        if len(self.lose) >= self.places:
            await asyncio.sleep(60)
        name = session or f"session {len(self.lose)}"
        self.lose[name] = asyncio.Event()
        yield Placement(name, f"http://server-{len(self.asked)}/")
        yield HAPPY
        await self.lose.pop(name).wait()
        raise ServerLost


async def test_a_session_stays_at_its_server() -> None:
    desk = FrontDesk(Servers().hold)
    placement = await desk.place(None)
    assert await desk.place(placement.session) == placement
    assert desk.placed == 1
    await desk.aclose()


async def test_a_session_whose_server_is_lost_is_resumed_on_another() -> None:
    servers = Servers()
    desk = FrontDesk(servers.hold)
    placement = await desk.place(None)
    lost = servers.lose[placement.session]
    await asyncio.sleep(0)
    assert set(desk.presenters()) == {"news"}
    lost.set()
    while desk.placed:
        await asyncio.sleep(0)
    again = await desk.place(placement.session)
    assert again.session == placement.session and again.url != placement.url
    assert servers.asked[-1] == (placement.session, HAPPY)
    await desk.aclose()


async def test_an_offer_meets_a_server_that_is_just_lost_and_goes_to_another() -> None:
    servers = Servers()
    servers.failures = front_desk.ATTEMPTS - 1
    desk = FrontDesk(servers.hold)
    assert (await desk.place(None)).url == "http://server-3/"
    await desk.aclose()


async def test_without_a_place_the_client_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_desk, "PLACE_SECONDS", 0.05)
    desk = FrontDesk(Servers(places=0).hold)
    with pytest.raises(NoPlace):
        await desk.place(None)
    assert desk.placed == 0


async def test_an_invented_session_begins_anew() -> None:
    servers = Servers()
    desk = FrontDesk(servers.hold)
    assert (await desk.place("invented")).session != "invented"
    assert servers.asked == [(None, None)]
    await desk.aclose()
