"""Clients and their sessions: admission, liveness, resumption.

Runs on: event loop. A client is a session id with its settings; it has at most one call, which holds a slot of the
worker. Settings outlive a lost connection, slots do not.
"""

import asyncio
import gc
import logging
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from server import logs
from server.auth.limits import site_of
from server.protocol.events import Error, Event
from server.sessions.live_session import LiveSession
from server.sessions.microphone_session import REPLACED_SECONDS, MicrophoneSession
from streaming.clock import monotonic
from streaming.session import Settings
from styletalk_core.errors import StyleTalkError

logger = logging.getLogger(__name__)

REMEMBERED_CLIENTS = 256


class TooManySessions(StyleTalkError):
    """One network address has reached its limit of sessions."""

    code = "too_many_sessions"
    status = 429


class MessageSink(Protocol):
    """Sends messages to a client."""

    def send(self, event: Event) -> None:
        """Queues a message."""


@dataclass(slots=True, eq=False)
class Client:
    """A session id with its settings and its call.

    Attributes:
        settings: current settings; a call starts with them and is notified of changes.
    """

    id: str
    settings: Settings
    address: str = ""
    fade_s: float = 0.5
    presents_as: str | None = None
    session: LiveSession | None = None
    task: "asyncio.Task[None] | None" = None
    channel: MessageSink | None = None
    negotiating: asyncio.Lock = field(default_factory=asyncio.Lock)
    last_ping: float = field(default_factory=monotonic)

    def send(self, event: Event) -> None:
        """Sends the client a message, where it has a control channel."""
        if self.channel is not None:
            self.channel.send(event)

    @property
    def present(self) -> bool:
        """True while the client has a channel or a call, or is opening one."""
        return self.channel is not None or self.session is not None or self.negotiating.locked()

    def gone(self, now: float) -> bool:
        """True when the client has vanished."""
        last_message = None if self.channel is None else self.last_ping
        return self.session is not None and self.session.abandoned(now, last_message)


class Clients:
    """All clients, by id.

    Args:
        max_per_address: limit of present clients per network address.
        max_session_seconds: seconds after which a call is ended.
    """

    def __init__(self, max_per_address: float = math.inf, max_session_seconds: float = math.inf) -> None:
        self._clients: dict[str, Client] = {}
        self._max_per_address = max_per_address
        self._max_session_seconds = max_session_seconds
        self.served = 0
        self.failed = 0
        self._littered = False

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def microphone_sessions(self) -> list[MicrophoneSession]:
        """Return the active calls."""
        return [session for session in self.sessions() if isinstance(session, MicrophoneSession)]

    def sessions(self) -> list[LiveSession]:
        """Return the active calls and presentations."""
        return [client.session for client in self._clients.values() if client.session is not None]

    def presenters(self) -> dict[str, Client]:
        """Return the clients that can be watched, by their presenter name."""
        return {v.presents_as: v for v in self._clients.values() if v.presents_as is not None and v.session is not None}

    @property
    def channels(self) -> int:
        """Return the number of clients whose control channel is open."""
        return sum(client.channel is not None for client in self._clients.values())

    def by_session(self, session_id: str) -> Client | None:
        """Return the client whose call has this id."""
        return next(
            (
                v
                for v in self._clients.values()
                if isinstance(v.session, MicrophoneSession) and v.session.id == session_id
            ),
            None,
        )

    def get_or_create(self, id: str | None, settings: Settings, address: str) -> Client:
        """Return the client with this id, or a new one with ``settings``; drops the longest absent one when full.

        Raises:
            TooManySessions: ``address`` has reached its limit.
        """
        known = self._clients.get(id) if id is not None else None
        site = site_of(address)
        others = (v for v in self._clients.values() if v is not known and v.present and site_of(v.address) == site)
        if sum(1 for _ in others) >= self._max_per_address:
            raise TooManySessions(f"At most {self._max_per_address:.0f} sessions per network address are allowed.")
        if known is not None:
            known.address = address
            self._clients[known.id] = self._clients.pop(known.id)
            return known
        return self._remember(Client(secrets.token_urlsafe(12), settings, address))

    def preregister(self, id: str, settings: Settings, fade_s: float) -> Client:
        """Adds a client that will connect, with its id and settings from another server."""
        return self._clients.get(id) or self._remember(Client(id, settings, fade_s=fade_s))

    def _remember(self, client: Client) -> Client:
        self._clients[client.id] = client
        if len(self._clients) > REMEMBERED_CLIENTS:
            absent = (v for v in self._clients.values() if not v.present and v is not client)
            if (oldest := next(absent, None)) is not None:
                del self._clients[oldest.id]
        return client

    def start(self, client: Client, session: LiveSession) -> "asyncio.Task[None]":
        """Starts the task of an answered call or a presentation; the task ends with it."""
        client.session = session
        client.last_ping = monotonic()
        self.served += 1
        client.task = asyncio.create_task(self._work(client, session), name=f"call {session.id}")
        return client.task

    async def _work(self, client: Client, session: LiveSession) -> None:
        problem = None
        logs.session.set(client.id)
        try:
            problem = await session.run()
        finally:
            if client.session is session:
                client.session = client.task = None
            self._littered = True
            if problem is not None:
                self.failed += 1
                logger.warning("the session ended: %s", problem)
                client.send(Error("session_failed", f"The session ended: {problem}."))

    async def replace(self, client: Client) -> bool:
        """Ends a call of the same address whose client has just left, as after a reload; true when there was one.

        Waits up to `REPLACED_SECONDS` for the silence that tells.
        """
        deadline = monotonic() + REPLACED_SECONDS
        while calls := self._calls_beside(client):
            for other, session in calls:
                if session.replaceable(monotonic()):
                    await self.end(other)
                    return True
            if monotonic() > deadline:
                break
            await asyncio.sleep(REPLACED_SECONDS / 10)
        return False

    def _calls_beside(self, client: Client) -> list[tuple[Client, MicrophoneSession]]:
        """Return the calls of other clients at the same address."""
        site = site_of(client.address)
        others = [(other, other.session) for other in self if other is not client and site_of(other.address) == site]
        return [(other, session) for other, session in others if isinstance(session, MicrophoneSession)]

    async def end(self, client: Client) -> None:
        """Ends the client's call, if any, and waits until its slot is free."""
        if client.session is not None and client.task is not None:
            client.session.ended.set()
            await asyncio.wait({client.task})

    async def end_all(self) -> None:
        """Ends every call; for shutdown."""
        await asyncio.gather(*(self.end(client) for client in self))

    async def watch(self) -> None:
        """Ends calls that exceed the time limit or whose clients have vanished; runs as long as the server.

        Also collects garbage after calls that have ended: a peer connection is a reference cycle that holds MB of
        native memory, and the garbage collector counts objects, not bytes.
        """
        while True:
            await asyncio.sleep(0.5)
            if self._littered:
                self._littered = False
                gc.collect()
            for client in self:
                logs.session.set(client.id)
                now = monotonic()
                if client.gone(now):
                    logger.info("the client has vanished")
                    await self.end(client)
                elif client.session is not None and now - client.session.began > self._max_session_seconds:
                    logger.info("the session has lasted %.0f s", self._max_session_seconds)
                    minutes = round(self._max_session_seconds / 60)
                    words = f"The session reached its limit of {minutes} minutes; press Start for a new one."
                    client.send(Error("session_expired", words))
                    await self.end(client)
